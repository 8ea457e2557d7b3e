# SPDX-License-Identifier: BSD-2-Clause
"""Module uac: another From and To, answers to challenges, requests of the script."""
import hashlib
import re

import pytest
from settings import START, head

ROUTE = """
request_route {
""" + START + """
	if (has_totag()) {
		loose_route();
		t_relay();
		exit;
	}
	if (is_method("INVITE")) record_route();
	if ($rU == "from-both") uac_replace_from("Batman", "sip:batman@gotham.org");
	if ($rU == "from-uri") uac_replace_from("sip:batman@gotham.org:5070;user=phone");
	if ($rU == "from-display") uac_replace_from("\\"Bat Man\\"", "");
	if ($rU == "from-none") uac_replace_from("", "");
	if ($rU == "to-both") uac_replace_to("Robin", "sip:robin@gotham.org");
	if ($rU == "two") { uac_replace_from("sip:a-rather-long-name@gotham.example.org"); uac_replace_to("sip:r@g"); }
	if ($rU == "applied") { uac_replace_from("sip:batman@gotham.org"); msg_apply_changes(); }
	if ($rU == "branch") t_on_branch("REPLACE");
	if ($rU == "bad-uri") { uac_replace_from("nonsense"); $var(rc) = $rc; append_to_reply("X-RC: $var(rc)\\r\\n"); sl_send_reply("200", "Done"); exit; }
	if ($rU =~ "^auth") {
		$avp(realm) = "p";
		$avp(user) = "puser";
		$avp(password) = $hdr(X-Password);
		t_on_failure("AUTH");
	}
	if ($rU == "send") {
		$uac_req(method) = "MESSAGE";
		$uac_req(ruri) = $hdr(X-Target);
		$uac_req(furi) = "sip:me@x";
		$uac_req(turi) = "sip:you@y";
		$uac_req(hdrs) = "X-A: 1\\r\\nContent-Type: text/plain\\r\\n";
		$uac_req(body) = "hi";
		$uac_req(evroute) = 1;
		$uac_req(auser) = "u";
		$uac_req(apasswd) = "p";
		$uac_req(callid) = "my-" + $ci;
		$uac_req(evparam) = "parameter";
		uac_req_send();
		$var(rc) = $rc;
		append_to_reply("X-RC: $var(rc)\\r\\n"); sl_send_reply("200", "Done");
		exit;
	}
	if ($rU == "incomplete") {
		$uac_req(method) = "OPTIONS";
		uac_req_send();
		$var(rc) = $rc;
		append_to_reply("X-RC: $var(rc)\\r\\n"); sl_send_reply("200", "Done");
		exit;
	}
	t_relay();
}
branch_route[REPLACE] {
	uac_replace_from("sip:batman@gotham.org");
}
failure_route[AUTH] {
	if (t_check_status("401|407")) {
		$var(mode) = 0;
		if ($rU == "auth-ha1") $var(mode) = 1;
		t_on_failure("AUTH");
		if (uac_auth("$var(mode)")) {
			t_relay();
			exit;
		}
		xlog("L_NOTICE", "no credentials\\n");
	}
}
event_route[uac:reply] {
	xlog("L_NOTICE", "EVENT $uac_req(evcode) $uac_req(evtype) $uac_req(evparam) $rs $uac_req(method)\\n");
}
"""
CONFIG = head("uac", "jsonrpcs", timers=True, uac__credential='"user:r:secret"', uac__auth_realm_avp='"$avp(realm)"',
              uac__auth_username_avp='"$avp(user)"', uac__auth_password_avp='"$avp(password)"') + ROUTE
ALLOWED = ["uac", "non existing right pvar", "assignment failed", "parse_uri", "parse_sip"]


@pytest.fixture
def people(agent, server):
    return agent("alice"), agent("bob")


def name_addr(value):
    return value.partition(";tag=")[0]


def start(people, user):
    """(INVITE as sent, as it arrived, its 200 as it came back)"""
    alice, bob = people
    invite = alice.invite("sip:%s@%s" % (user, bob.host_port), from_='"Al" <sip:alice@home>;tag=1', to="Bo <sip:bob@home>")
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    ringing = alice.expect_reply(180, invite)
    bob.reply(incoming, 200)
    answered = alice.expect_reply(200, invite)
    for reply in (ringing, answered):
        assert (name_addr(reply["From"]), name_addr(reply["To"])) == ('"Al" <sip:alice@home>', "Bo <sip:bob@home>")
    return invite, incoming, answered


@pytest.mark.parametrize("user,from_,to", [
    ("plain", '"Al" <sip:alice@home>', "Bo <sip:bob@home>"),
    ("from-both", "Batman <sip:batman@gotham.org>", "Bo <sip:bob@home>"),
    ("from-uri", '"Al" <sip:batman@gotham.org:5070;user=phone>', "Bo <sip:bob@home>"),
    ("to-both", '"Al" <sip:alice@home>', "Robin <sip:robin@gotham.org>"),
    ("branch", '"Al" <sip:batman@gotham.org>', "Bo <sip:bob@home>"),
    ("two", '"Al" <sip:a-rather-long-name@gotham.example.org>', "Bo <sip:r@g>")])
def test_the_other_side_sees_other_names(people, user, from_, to):
    _, incoming, _ = start(people, user)
    assert re.sub(r"\s+", " ", name_addr(incoming["From"])) == from_
    assert re.sub(r"\s+", " ", name_addr(incoming["To"])) == to
    assert incoming["From"].endswith(";tag=1") and "tag" not in incoming["To"]


@pytest.mark.viaduct_only("the peer does not give the caller the display name back")
@pytest.mark.parametrize("user,from_", [("from-display", '"Bat Man" <sip:alice@home>'), ("from-none", "<sip:alice@home>")])
def test_the_other_side_sees_another_display_name(people, user, from_):
    assert name_addr(start(people, user)[1]["From"]) == from_


def in_dialog(sender, receiver, route, **headers):
    """What becomes of From and To: at the receiver, and in the answer."""
    request = sender.send(sender.request("MESSAGE", "sip:x@" + receiver.host_port, cseq=7,
                                         headers=[("Route", value) for value in route], **headers))
    arrived = receiver.expect_request("MESSAGE")
    receiver.reply(arrived, 200)
    answer = sender.expect_reply(200, request)
    assert (answer["From"], answer["To"]) == (request["From"], request["To"])
    return arrived


@pytest.mark.parametrize("user", ["from-both", "from-uri", "to-both", "two"])
def test_later_requests_are_changed_in_both_directions(people, user):
    alice, bob = people
    invite, incoming, answered = start(people, user)

    def uri(value):
        return re.search(r"<(.*)>", value).group(1)
    down = in_dialog(alice, bob, answered.all("Record-Route"), from_=invite["From"], to=answered["To"],
                     call_id=invite["Call-ID"])
    assert (uri(down["From"]), uri(down["To"])) == (uri(incoming["From"]), uri(incoming["To"]))
    tag = answered["To"].partition(";tag=")[2]
    up = in_dialog(bob, alice, incoming.all("Record-Route"), from_="%s;tag=%s" % (incoming["To"], tag),
                   to=incoming["From"], call_id=invite["Call-ID"])
    assert (uri(up["From"]), uri(up["To"])) == ("sip:bob@home", "sip:alice@home")


def test_failures_are_told_with_the_callers_names(people):
    alice, bob = people
    invite = alice.invite("sip:two@" + bob.host_port, from_="<sip:alice@home>;tag=1", to="<sip:bob@home>")
    bob.reply(bob.expect_request("INVITE"), 486)
    refused = alice.expect_reply(486, invite)
    assert name_addr(refused["From"]) == "<sip:alice@home>" and name_addr(refused["To"]) == "<sip:bob@home>"


@pytest.mark.viaduct_only("the peer needs restore_from_avp for it")
def test_applied_changes_are_undone_too(people):
    start(people, "applied")


@pytest.mark.viaduct_only("the peer takes any text")
def test_what_is_no_uri_is_refused(people):
    alice, bob = people
    request = alice.send(alice.request("OPTIONS", "sip:bad-uri@" + bob.host_port))
    assert alice.expect_reply(200, request)["X-RC"] == "-1"


# ---- challenges ------------------------------------------------------------------------------------------

def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def check(value, user, realm, password, method, uri, hash_=md5):
    """Is the answer right?"""
    given = dict((name, quoted or bare) for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', value))
    assert (given["username"], given["realm"], given["uri"]) == (user, realm, uri)
    ha1, ha2 = hash_("%s:%s:%s" % (user, realm, password)), hash_("%s:%s" % (method, uri))
    middle = ":%s:%s:%s" % (given["nc"], given["cnonce"], given["qop"]) if "qop" in given else ""
    assert given["response"] == hash_("%s:%s%s:%s" % (ha1, given["nonce"], middle, ha2))
    return given


def challenged(people, user, status, challenge, password="pp"):
    alice, bob = people
    invite = alice.invite("sip:%s@%s" % (user, bob.host_port), headers=[("X-Password", password)])
    header = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}[status]
    bob.reply(bob.expect_request("INVITE"), status, headers=[(header, challenge)])
    bob.expect_request("ACK")
    return invite


@pytest.mark.parametrize("status,challenge,user,realm,password", [
    (401, 'Digest realm="r", nonce="abc", qop="auth,auth-int", opaque="op", algorithm=MD5', "user", "r", "secret"),
    (407, 'Digest realm="r", nonce="abc"', "user", "r", "secret"),
    (407, 'Digest realm="p", nonce="xyz", qop="auth"', "puser", "p", "pp")])
def test_challenges_are_answered(people, status, challenge, user, realm, password):
    alice, bob = people
    invite = challenged(people, "auth", status, challenge)
    again = bob.expect_request("INVITE")
    name = {401: "Authorization", 407: "Proxy-Authorization"}[status]
    given = check(again[name], user, realm, password, "INVITE", again.uri)
    assert given["nonce"] in challenge and ("opaque" in given) == ("opaque" in challenge)
    bob.reply(again, 200)
    alice.expect_reply(200, invite)


def test_a_password_may_be_a_hash(people):
    alice, bob = people
    challenged(people, "auth-ha1", 401, 'Digest realm="p", nonce="n"', password=md5("puser:p:very secret"))
    again = bob.expect_request("INVITE")
    check(again["Authorization"], "puser", "p", "very secret", "INVITE", again.uri)
    bob.reply(again, 486)


@pytest.mark.viaduct_only("the peer knows MD5 here")
def test_newer_digests(people):
    alice, bob = people
    challenged(people, "auth", 401, 'Digest realm="p", nonce="n", algorithm=SHA-256, qop="auth"')
    again = bob.expect_request("INVITE")
    check(again["Authorization"], "puser", "p", "pp", "INVITE", again.uri, lambda text: hashlib.sha256(text.encode()).hexdigest())
    bob.reply(again, 486)


def test_an_unknown_realm_is_not_answered(people, server):
    alice, _ = people
    invite = challenged(people, "auth", 401, 'Digest realm="somebody else", nonce="n"')
    alice.expect_reply(401, invite)
    server.wait_log("no credentials")


# ---- requests of the script --------------------------------------------------------------------------------

def test_the_script_sends_and_answers_a_challenge(people, server):
    alice, bob = people
    request = alice.send(alice.request("OPTIONS", "sip:send@" + alice.domain,
                                       headers=[("X-Target", "sip:target@" + bob.host_port)]))
    assert alice.expect_reply(200, request)["X-RC"] == "1"
    first = bob.expect_request("MESSAGE")
    assert (first.uri, name_addr(first["From"]), first["To"], first["X-A"], first.body) == \
        ("sip:target@" + bob.host_port, "<sip:me@x>", "<sip:you@y>", "1", b"hi")
    assert first["Call-ID"] == "my-" + request["Call-ID"] and first.cseq == (10, "MESSAGE")
    bob.reply(first, 401, headers=[("WWW-Authenticate", 'Digest realm="r", nonce="abc", qop="auth"')])
    second = bob.expect_request("MESSAGE")
    assert (second["Call-ID"], second["From"], second.cseq) == (first["Call-ID"], first["From"], (11, "MESSAGE"))
    check(second["Authorization"], "u", "r", "p", "MESSAGE", second.uri)
    bob.reply(second, 202)
    server.wait_log("EVENT 401 1 parameter 401 MESSAGE")
    server.wait_log("EVENT 202 1 parameter 202 MESSAGE")


def test_silence_is_told_as_well(people, server):
    alice, bob = people
    request = alice.send(alice.request("OPTIONS", "sip:send@" + alice.domain, headers=[("X-Target", "sip:x@127.0.0.1:9")]))
    alice.expect_reply(200, request)
    server.wait_log("EVENT 408 2 parameter <null> MESSAGE")


@pytest.mark.viaduct_only("the peer takes what an earlier message left")
def test_an_incomplete_request_is_refused(people):
    alice, bob = people
    request = alice.send(alice.request("OPTIONS", "sip:incomplete@" + alice.domain))
    assert alice.expect_reply(200, request)["X-RC"] == "-1"
