# SPDX-License-Identifier: BSD-2-Clause
"""Module auth: challenges, and credentials against passwords that the script has. Everything that is
not marked was measured on the peer as well (`--server kamailio`)."""
import re

import pytest
from settings import START, head
from sipua.digest import answer_challenge, hasher, parse_challenge

ROUTE = """
request_route {
""" + START + """
	$var(flags) = $(hdr(X-Flags){s.int});
	$var(checks) = $(hdr(X-Checks){s.int});
	$var(realm) = $hdr(X-Realm);
	if ($hdr(X-Realm) == $null) $var(realm) = "example.org";
	if ($hdr(X-Newtran) != $null) t_newtran();
	if ($hdr(X-Do) == "www") {
		www_challenge("$var(realm)", "$var(flags)");
		$var(rc) = $rc;
		append_to_reply("X-RC: $var(rc)\\r\\n");
		sl_send_reply("299", "After");
		exit;
	}
	if ($hdr(X-Do) == "proxy") {
		proxy_challenge("$var(realm)", "$var(flags)");
		exit;
	}
	if ($hdr(X-Do) == "both") {
		if (!auth_challenge("$var(realm)", "$var(flags)")) xlog("L_INFO", "not sent\\n");
		exit;
	}
	if ($hdr(X-Do) == "get") {
		auth_get_www_authenticate("$var(realm)", "$var(flags)", "$var(header)");
		append_to_reply("$var(header)");
		send_reply("200", "OK");
		exit;
	}
	if ($hdr(X-Do) == "has") {
		has_credentials("$var(realm)");
	} else if ($hdr(X-Do) == "check") {
		pv_auth_check("$var(realm)", "secret", "$var(flags)", "$var(checks)");
	} else if ($hdr(X-Do) == "method") {
		pv_www_authenticate("$var(realm)", "secret", "$var(flags)", "INVITE");
	} else if ($hdr(X-Do) == "proxy-auth") {
		pv_proxy_authenticate("$var(realm)", "secret", "$var(flags)");
	} else if ($hdr(X-Do) == "ha1") {
		pv_www_authenticate("$var(realm)", "$hdr(X-HA1)", "1");
	} else {
		pv_www_authenticate("$var(realm)", "secret", "$var(flags)");
	}
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\n");
	append_to_reply("X-Account: $Au $AU\\r\\n");
	consume_credentials();
	append_to_reply("X-Consumed: $rc\\r\\n");
	if ($avp(digest_challenge) != $null) append_to_reply("$avp(digest_challenge)");
	if ($hdr(X-Challenge) != $null) {
		if ($var(rc) < 0) {
			www_challenge("$var(realm)", "0");
			exit;
		}
	}
	send_reply("200", "Done");
}
"""


def config(**settings):
    return head("auth", **{"auth__" + name: value for name, value in settings.items()}) + ROUTE


CONFIG = config()
ALLOWED = ["auth", "realm", "password", "non existing right pvar", "assignment failed"]
URI = "sip:service@example.org"


class Client:
    """Sends requests with credentials and reads what the script found."""

    def __init__(self, agent, server):
        self.alice = agent("alice", server=server, domain="example.org")
        self.server = server

    def ask(self, do="", method="OPTIONS", headers=(), status=200, body=b"", **kwargs):
        request = self.alice.request(method, URI, headers=[("X-Do", do)] + list(headers),
                                     body=body, **kwargs)
        self.alice.send(request, self.server.address)
        return self.alice.expect_reply(status, request)

    def nonce(self, flags=0, status=401, **kwargs):
        """A challenge as www_challenge makes it, parsed."""
        reply = self.ask("www", headers=[("X-Flags", str(flags))], status=status, **kwargs)
        return parse_challenge(reply["WWW-Authenticate"])

    def credentials(self, challenge, user="alice", password="secret", method="OPTIONS", uri=URI,
                    **kwargs):
        return answer_challenge(challenge, method, uri, user, password, **kwargs)

    def result(self, value, do="", header="Authorization", headers=(), **kwargs):
        """$rc of the check for this Authorization header (None: without)."""
        found = list(headers) + ([(header, value)] if value is not None else [])
        return int(self.ask(do, headers=found, **kwargs)["X-RC"])


@pytest.fixture
def client(agent, server):
    return Client(agent, server)


@pytest.fixture
def client_of(agent, start_server):
    """Client of a server of its own with these settings of the module."""
    return lambda **settings: Client(agent, start_server(config(**settings)))


# ---- challenges ---------------------------------------------------------------------------------

@pytest.mark.parametrize("do,method,status,header", [
    ("www", "OPTIONS", 401, "WWW-Authenticate"), ("www", "INVITE", 401, "WWW-Authenticate"),
    ("proxy", "OPTIONS", 407, "Proxy-Authenticate"), ("both", "REGISTER", 401, "WWW-Authenticate"),
    ("both", "INVITE", 407, "Proxy-Authenticate")])
def test_challenges_have_their_status_and_header(client, do, method, status, header):
    reply = client.ask(do, method, headers=[("X-Flags", "1")], status=status)
    assert re.fullmatch(r'Digest realm="example\.org", nonce="[0-9A-Za-z+/=]+", qop="auth"',
                        reply[header])
    assert reply.reason == {401: "Unauthorized", 407: "Proxy Authentication Required"}[status]


def test_challenges_in_other_headers(client_of):
    client = client_of(www_challenge_header='"X-WWW"', proxy_challenge_header='"X-Proxy"')
    for do, method, status, header in (
            ("www", "OPTIONS", 401, "X-WWW"), ("proxy", "OPTIONS", 407, "X-Proxy"),
            ("both", "REGISTER", 401, "X-WWW"), ("both", "INVITE", 407, "X-Proxy"),
            ("get", "OPTIONS", 200, "X-WWW")):
        reply = client.ask(do, method, status=status)
        assert re.fullmatch('Digest realm="example.org", nonce="[^"]+"', reply[header])
        assert not reply.all("WWW-Authenticate") and not reply.all("Proxy-Authenticate")


@pytest.mark.parametrize("flags,rest", [
    (0, ""), (1, ', qop="auth"'), (2, ', qop="auth-int"'), (4, ""), (16, ", stale=true"),
    (3, ', qop="auth-int"'), (17, ', qop="auth", stale=true')])
def test_flags_choose_what_a_challenge_says(client, flags, rest):
    for do, status in (("www", 401), ("get", 200)):
        reply = client.ask(do, headers=[("X-Flags", str(flags))], status=status)
        assert re.sub('nonce="[^"]+"', "nonce", reply["WWW-Authenticate"]) == \
            'Digest realm="example.org", nonce' + rest


def test_an_empty_realm_is_an_error(client):
    assert client.ask("www", headers=[("X-Realm", "")], status=500)
    assert client.result(None, headers=[("X-Realm", "")]) == -1


@pytest.mark.viaduct_only("the peer answers 500 also when it was asked not to")
def test_flag_4_leaves_the_answer_to_the_script(client):
    reply = client.ask("www", headers=[("X-Realm", ""), ("X-Flags", "4")], status=299)
    assert reply["X-RC"] == "-1"


@pytest.mark.viaduct_only("the peer writes quotes as they are")
def test_the_realm_is_quoted(client):
    reply = client.ask("www", headers=[("X-Realm", 'a"b\\c')], status=401)
    assert reply["WWW-Authenticate"].startswith('Digest realm="a\\"b\\\\c", nonce=')


def test_cancel_and_ack_are_never_challenged(client):
    for method in ("CANCEL", "PRACK"):
        assert client.result(None, method=method) == 1
    client.alice.send(client.alice.request("ACK", URI, headers=[("X-Do", "both")]),
                      client.server.address)
    client.alice.expect_nothing()


@pytest.mark.parametrize("setting,statuses", [(0, {401}), (1, {401})])
def test_challenges_follow_the_transaction(client_of, setting, statuses):
    client = client_of(force_stateless_reply=setting)
    reply = client.ask("www", headers=[("X-Newtran", "1")], status=401)
    assert reply.status in statuses


# ---- credentials --------------------------------------------------------------------------------

def test_the_right_password_is_right_again_and_again(client):
    right = client.credentials(client.nonce())
    for _ in range(2):
        reply = client.ask(headers=[("Authorization", right)])
        assert (reply["X-RC"], reply["X-Consumed"]) == ("1", "1")
        assert reply["X-Account"] == "alice@example.org alice"


def changed(pattern, replacement):
    return lambda value: re.sub(pattern, replacement, value)


@pytest.mark.parametrize("change,result", [
    (lambda value: None, -5),
    (changed('realm="[^"]*"', 'realm="elsewhere"'), -5),
    (lambda value: "Basic YWxpY2U6c2VjcmV0", -5),
    (changed('nonce="[^"]*"', 'nonce="abc"'), -1),
    (changed('nonce="[^"]*"', 'nonce=""'), -1),
    (changed('(nonce="[^"]*)..", uri', r'\1zz", uri'), -1),
    (changed('username="alice"', "username=alice"), 1),
    (changed('username="alice"', 'username="bob"'), -2),
    (changed('uri="[^"]*"', 'uri="sip:other@example.org"'), -2),
    (changed(', uri="[^"]*"', ""), -1),
    (changed(', response="[^"]*"', ""), -1),
    (changed('response="([^"]*)"', lambda m: 'response="%s"' % m[1].upper()), -2),
    (changed("$", ', unknown="x", opaque=""'), 1),
    (changed("Digest", "digest"), 1),
    (changed(", ", ",\r\n  "), 1),
    (lambda value: "", -5),
], ids=range(16))
def test_results_are_as_documented(client, change, result):
    assert client.result(change(client.credentials(client.nonce()))) == result


@pytest.mark.viaduct_only("nonces are made in another way")
def test_an_old_nonce_of_an_earlier_secret_is_stale(client):
    """So a phone asks again by itself and not its user."""
    assert client.result(changed('nonce="..', 'nonce="00')(client.credentials(client.nonce()))) == -4


def test_the_setting_qop_leaves_challenges_to_their_flags(client_of):
    reply = client_of(qop='"auth"').ask("www", headers=[("X-Flags", "0")], status=401)
    assert "qop" not in reply["WWW-Authenticate"]


@pytest.mark.parametrize("user,password,result", [
    ("alice", "Secret", -2), ("alice", "", -2), ("alice@example.org", "secret", 1),
    ("älice", "secret", 1), ("a" * 300, "secret", 1)])
def test_users_and_passwords(client, user, password, result):
    assert client.result(client.credentials(client.nonce(), user, password)) == result


def test_the_first_credentials_for_the_realm_count(client):
    nonce = client.nonce()
    right, wrong = client.credentials(nonce), client.credentials(nonce, password="wrong")
    other = client.credentials(dict(nonce, realm="elsewhere"))
    assert client.result(right, headers=[("Authorization", wrong)]) == -2
    assert client.result(wrong, headers=[("Authorization", right)]) == 1
    assert client.result(right, headers=[("Authorization", other)]) == 1


def test_each_header_has_its_function(client):
    right = client.credentials(client.nonce())
    assert client.result(right, "proxy-auth") == -5
    assert client.result(right, header="Proxy-Authorization") == -5
    assert client.result(right, "proxy-auth", "Proxy-Authorization") == 1


def test_has_credentials(client):
    right = client.credentials(client.nonce())
    assert client.result(None, "has") == -1
    for header in ("Authorization", "Proxy-Authorization"):
        assert client.result(right, "has", header) == 1
        assert client.result(right, "has", header, headers=[("X-Realm", "other")]) == -1


def test_ha1_in_place_of_the_password(client):
    nonce = client.nonce()
    right = client.credentials(nonce)
    ha1 = hasher("MD5")("alice:example.org:secret")
    for given, result in ((ha1, 1), (ha1.upper(), -2), ("abc", -2)):
        assert client.result(right, "ha1", headers=[("X-HA1", given)]) == result


def test_the_method_can_be_given(client):
    nonce = client.nonce()
    assert client.result(client.credentials(nonce, method="INVITE"), "method") == 1
    assert client.result(client.credentials(nonce), "method") == -2


def test_qop_auth(client):
    nonce = client.nonce(1)
    assert client.result(client.credentials(nonce)) == 1
    assert client.result(client.credentials(nonce, count=7)) == 1
    assert client.result(client.credentials(nonce).replace("nc=00000001", "nc=00000002")) == -2


@pytest.mark.viaduct_only("the peer does not hash the body as RFC 7616 says")
def test_qop_auth_int_covers_the_body(client):
    nonce = client.nonce(2)
    signed = client.credentials(nonce, qop="auth-int", body=b"v=0\r\n")
    assert client.result(signed, body=b"v=0\r\n") == 1
    assert client.result(signed, body=b"v=1\r\n") == -2
    assert client.result(client.credentials(nonce, qop="auth-int")) == 1


@pytest.mark.viaduct_only("the peer takes them")
@pytest.mark.parametrize("change", [
    changed("qop=auth", "qop=other"), changed("nc=00000001", "nc=zz"),
    changed("$", ', username="bob"'), changed("$", ', response="00"'),
    changed('username="alice"', 'username=""'), changed('cnonce="[^"]*"', 'cnonce=""'),
], ids=lambda change: change.__closure__[1].cell_contents)
def test_malformed_credentials_are_errors(client, change):
    assert client.result(change(client.credentials(client.nonce(1)))) == -1


@pytest.mark.parametrize("flags,shown", [
    (0, None), (16, None), (2, ""), (4, ', qop="auth"'), (8, ', qop="auth-int"')])
def test_a_challenge_in_an_avp(client, flags, shown):
    reply = client.ask(headers=[("X-Flags", str(flags))])
    value = (reply.all("WWW-Authenticate") or [None])[0]
    assert (value and re.sub('.*nonce="[^"]+"', "", value)) == shown
    wrong = client.credentials(client.nonce(), password="wrong")
    reply = client.ask(headers=[("X-Flags", "4"), ("Authorization", wrong)])
    assert 'qop="auth"' in reply["WWW-Authenticate"]
    right = client.credentials(client.nonce())
    reply = client.ask(headers=[("X-Flags", "4"), ("Authorization", right)])
    assert not reply.all("WWW-Authenticate")


@pytest.mark.parametrize("method,from_user,to_user,result", [
    ("OPTIONS", "alice", "bob", 1), ("OPTIONS", "bob", "alice", -8),
    ("REGISTER", "alice", "alice", 1), ("REGISTER", "alice", "bob", -8),
    ("REGISTER", "bob", "alice", -8), ("PUBLISH", "alice", "bob", -8)])
def test_the_user_must_be_that_of_the_request(client, method, from_user, to_user, result):
    header = "Authorization" if method == "REGISTER" else "Proxy-Authorization"
    value = client.credentials(client.nonce(), method=method)

    def ask(checks):
        return client.result(value, "check", header, method=method,
                             headers=[("X-Checks", str(checks))],
                             from_="<sip:%s@example.org>;tag=1" % from_user,
                             to="<sip:%s@example.org>" % to_user)
    assert ask(1) == result
    assert ask(0) == 1


def test_use_domain_compares_the_domains(client_of):
    client = client_of(use_domain=1)
    value = client.credentials(client.nonce(), method="REGISTER")
    for domain, result in (("example.org", 1), ("elsewhere.org", -8)):
        assert client.result(value, "check", method="REGISTER", headers=[("X-Checks", "1")],
                             from_="<sip:alice@example.org>;tag=1",
                             to="<sip:alice@%s>" % domain) == result


# ---- settings -------------------------------------------------------------------------------------

@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", pytest.param(
    "SHA-512-256", marks=pytest.mark.viaduct_only("not in this release of the peer")),
    pytest.param("SHA-512", marks=pytest.mark.viaduct_only("not in this release of the peer"))])
def test_algorithm(client_of, algorithm):
    client = client_of(algorithm='"%s"' % algorithm)
    nonce = client.nonce(1)
    assert nonce["algorithm"] == algorithm
    right = client.credentials(nonce)
    assert client.result(right) == 1
    assert client.result(right.replace(", algorithm=" + algorithm, "")) == 1
    assert client.result(right.replace(algorithm, algorithm.lower())) == 1
    ha1 = hasher(algorithm)("alice:example.org:secret")
    assert client.result(right, "ha1", headers=[("X-HA1", ha1)]) == 1
    other = "SHA-256" if algorithm == "MD5" else "MD5"
    assert client.result(client.credentials(dict(nonce, algorithm=other))) == -1


@pytest.mark.viaduct_only("this release of the peer offers one algorithm")
def test_several_algorithms_are_offered_and_taken(client_of):
    client = client_of(algorithm='"SHA-512-256, SHA-256,MD5"')
    reply = client.ask("www", status=401)
    offers = [parse_challenge(value) for value in reply.all("WWW-Authenticate")]
    assert [offer["algorithm"] for offer in offers] == ["SHA-512-256", "SHA-256", "MD5"]
    for offer in offers:
        assert client.result(client.credentials(offer)) == 1
    assert client.result(client.credentials(dict(offers[0], algorithm="SHA-512"))) == -1


OFFER = head("auth") + """
request_route {
""" + START + """
	if ($rU == "arg") {
		www_challenge("example.org", "0", "SHA-256,MD5");
		exit;
	}
	auth_algorithm("SHA-256");
	pv_www_authenticate("example.org", "secret", "0");
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\n");
	if ($var(rc) < 0) www_challenge("example.org", "0");
	else send_reply("200", "OK");
}
"""


@pytest.mark.viaduct_only("not in this release of the peer")
def test_the_script_chooses_algorithms(agent, start_server):
    server = start_server(OFFER)
    alice = agent("alice", server=server)

    def ask(uri, headers=()):
        request = alice.request("OPTIONS", uri, headers=headers)
        alice.send(request, server.address)
        return alice.expect_reply((200, 401), request)
    offers = [parse_challenge(v) for v in ask("sip:arg@example.org").all("WWW-Authenticate")]
    assert [offer["algorithm"] for offer in offers] == ["SHA-256", "MD5"]
    for offer, result in zip(offers, ("1", "-1")):
        value = answer_challenge(offer, "OPTIONS", URI, "alice", "secret")
        reply = ask(URI, [("Authorization", value)])
        assert reply["X-RC"] == result
    assert parse_challenge(reply["WWW-Authenticate"])["algorithm"] == "SHA-256"


def test_realm_prefix_is_left_out(client_of):
    client = client_of(realm_prefix='"sip."')
    prefixed = [("X-Realm", "sip.example.org")]
    assert 'realm="example.org"' in client.ask("www", headers=prefixed,
                                              status=401)["WWW-Authenticate"]
    right = client.credentials(client.nonce())
    assert client.result(right, headers=prefixed) == 1
    assert client.result(right) == client.result(right, "has") == 1


def test_nonces_expire(client_of):
    client = client_of(nonce_expire=1)
    nonce = client.nonce()
    value = client.credentials(nonce)
    for _ in range(200):
        result = client.result(value)
        if result != 1:
            break
        client.alice.collect(0.02)
    assert result == -4
    assert client.result(client.credentials(nonce, password="wrong")) == -4
    assert client.result(client.credentials(client.nonce())) == 1


@pytest.mark.viaduct_only("the peer leaves that to flag 16")
def test_the_challenge_after_an_old_nonce_says_so(client_of):
    client = client_of(one_time_nonce=1)
    value = client.credentials(client.nonce())
    assert client.result(value) == 1
    reply = client.ask(headers=[("Authorization", value), ("X-Challenge", "1")], status=401)
    assert reply["X-RC"] == "-6" and "stale=true" in reply["WWW-Authenticate"]
    wrong = client.credentials(client.nonce(), password="wrong")
    reply = client.ask(headers=[("Authorization", wrong), ("X-Challenge", "1")], status=401)
    assert "stale" not in reply["WWW-Authenticate"]


@pytest.mark.parametrize("checks,other", [
    (2, {"call_id": "second"}), (4, {"from_": "<sip:alice@example.org>;tag=second"})])
def test_nonces_are_bound_to_the_request(client_of, checks, other):
    client = client_of(auth_checks_no_dlg=checks)
    same = {"call_id": "first", "from_": "<sip:alice@example.org>;tag=first"}
    value = client.credentials(client.nonce(**same))
    assert client.result(value, **same) == 1
    assert client.result(value, **dict(same, **other)) == -4


def test_nonces_are_bound_to_the_source(client_of, agent):
    client = client_of(auth_checks_no_dlg=9)
    value = client.credentials(client.nonce())
    assert client.result(value) == 1
    client.alice = agent("alice", server=client.server, host="127.0.0.9", domain="example.org")
    assert client.result(value) == -4


def test_nonce_count_must_grow(client_of):
    client = client_of(nonce_count=1, qop='"auth"')
    nonce = client.nonce(1)
    for count, result in ((1, 1), (2, 1), (2, -4), (1, -4), (5, 1), (3, -4), (255, 1), (256, -4),
                          (0, -4)):
        assert client.result(client.credentials(nonce, count=count)) == result
    nonce = client.nonce(1)
    assert [client.result(client.credentials(nonce, qop="")) for _ in range(2)] == [1, 1]


def test_one_time_nonce(client_of):
    client = client_of(one_time_nonce=1, nid_pool_no=4)
    for _ in range(3):
        value = client.credentials(client.nonce())
        assert [client.result(value) for _ in range(3)] == [1, -6, -6]
    nonce = client.nonce()
    assert client.result(client.credentials(nonce, password="wrong")) == -2
    assert client.result(client.credentials(nonce)) == -6


def test_one_time_nonce_for_those_who_do_not_count(client_of):
    client = client_of(one_time_nonce=1, nonce_count=1, qop='"auth"')
    nonce = client.nonce(1)
    assert [client.result(client.credentials(nonce, count=n)) for n in (1, 2, 2)] == [1, 1, -4]
    nonce = client.nonce(1)
    assert [client.result(client.credentials(nonce, qop="")) for _ in range(2)] == [1, -6]


@pytest.mark.viaduct_only("how much is remembered depends on the peer's processes")
def test_forgotten_nonces_are_old(client_of):
    client = client_of(one_time_nonce=1, otn_in_flight_order=5)
    nonces = [client.nonce() for _ in range(33 * 2)]
    assert client.result(client.credentials(nonces[0])) == -4
    assert client.result(client.credentials(nonces[-1])) == 1


def test_a_secret_is_good_on_several_servers(client_of):
    first, second = (client_of(secret='"0123456789abcdef0123456789abcdef"') for _ in range(2))
    third = client_of()
    value = first.credentials(first.nonce())
    assert [client.result(value) for client in (first, second, third)] == [1, 1, -1]


def test_authentication_info_proves_the_password(client_of):
    client = client_of(add_authinfo_hdr=1)
    nonce = client.nonce(1)
    reply = client.ask(headers=[("Authorization", client.credentials(nonce))])
    info = parse_challenge(reply["Authentication-Info"])
    h = hasher("MD5")
    proof = h(":".join((h("alice:example.org:secret"), nonce["nonce"], "00000001", "0a4f113b",
                        "auth", h(":" + URI))))
    assert info == {"nextnonce": nonce["nonce"], "qop": "auth", "rspauth": proof,
                    "cnonce": "0a4f113b", "nc": "00000001"}
    wrong = client.credentials(nonce, password="wrong")
    assert not client.ask(headers=[("Authorization", wrong)]).all("Authentication-Info")


def test_authentication_info_names_a_new_nonce(client_of):
    client = client_of(add_authinfo_hdr=1, one_time_nonce=1)
    nonce = client.nonce(1)
    reply = client.ask(headers=[("Authorization", client.credentials(nonce))])
    following = parse_challenge(reply["Authentication-Info"])["nextnonce"]
    assert following != nonce["nonce"]
    assert client.result(client.credentials(dict(nonce, nonce=following))) == 1


# ---- hostile ----------------------------------------------------------------------------------------

@pytest.mark.viaduct_only("about our limits")
@pytest.mark.parametrize("value", [
    "Digest", "Digest ", "Digest ,", "Digest =", 'Digest username="', "Digest realm=example.org",
    'Digest realm="example.org", nonce="' + "0" * 8000 + '"',
    'Digest realm="example.org"' + ", x=y" * 4000,
    'Digest realm="example.org"' * 200, 'Digest username="' + "\\" * 801 + '", realm="example.org"',
    'Digest realm="example.org", nonce="%s"' % ("\xff" * 52)], ids=range(11))
def test_hostile_credentials_do_no_harm(client, value):
    assert client.result(value) in (-1, -5)
    assert client.result(client.credentials(client.nonce())) == 1


@pytest.mark.viaduct_only("the peer takes them")
@pytest.mark.parametrize("user", ["al\tice", "@example.org"])
def test_user_names_that_no_database_should_see(client, user):
    assert client.result(client.credentials(client.nonce(), user=user)) == -1


@pytest.mark.viaduct_only("about our limits")
def test_a_message_with_a_nul_is_no_message(client):
    value = client.credentials(client.nonce(), user="al\0ice")
    client.alice.send(client.alice.request("OPTIONS", URI, headers=[("Authorization", value)]),
                      client.server.address)
    assert client.result(client.credentials(client.nonce())) == 1
    assert 200 not in [reply.status for reply in client.alice.collect()]


def test_many_credentials(client):
    value = client.credentials(client.nonce())
    other = client.credentials(dict(client.nonce(), realm="elsewhere"))
    assert client.result(value, headers=[("Authorization", other)] * 50) == 1


@pytest.mark.viaduct_only("about our diagnostics")
@pytest.mark.parametrize("settings,words", [
    ({"algorithm": '"SHA-1"'}, "MD5, SHA-256"), ({"qop": '"int"'}, "auth-int"),
    ({"algorithm": '"MD5,MD5"'}, "MD5, SHA-256"), ({"auth_checks_register": 16}, "15"),
    ({"www_challenge_header": '"X: "'}, "no name of a header")])
def test_wrong_settings_are_explained(start_server, settings, words):
    with pytest.raises(AssertionError, match=words):
        start_server(config(**settings))
