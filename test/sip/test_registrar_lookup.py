# SPDX-License-Identifier: BSD-2-Clause
"""lookup() and its kin: which binding serves a request, and what the script learns about it."""
import re

import pytest
from settings import START, head

SCRIPT = """
request_route {
""" + START + """
	if (is_method("REGISTER")) {
		if ($hdr(X-Seen) != $null) {
			$avp(seen) = $hdr(X-Seen);
			setbflag(6);
		}
		save("location");
		exit;
	}
	$var(result) = 0;
	switch ($hdr(X-Do)) {
	case "lookup":
		setbflag(3);
		$du = "sip:192.0.2.99";
		$var(result) = lookup("location");
		break;
	case "dset":
		$var(result) = lookup_to_dset("location");
		break;
	case "branches":
		append_branch("sip:$hdr(X-Other)@example.org");
		append_branch("sip:unknown@example.org");
		$var(result) = lookup_branches("location");
		break;
	case "registered":
		$xavp(reg=>match_received) = "sip:198.51.100.7:99";
		$xavp(reg=>match_contact) = "sip:a@192.0.2.1";
		$xavp(reg=>match_callid) = "nothing";
		$var(a) = registered("location");
		$var(b) = registered("location", "sip:unknown@example.org");
		$var(c) = registered("location", "$ru", "2");
		$var(d) = registered("location", "$ru", "4");
		$var(e) = registered("location", "$ru", "1");
		append_to_reply("X-Result: $var(a) $var(b) $var(c) $var(d) $var(e)\\r\\n");
		break;
	case "unregister":
		$var(a) = unregister("location", "sip:unknown@example.org");
		$var(b) = unregister("location", "$ru", "nothing");
		reg_fetch_contacts("location", "$ru", "c");
		$var(c) = unregister("location", "$ru", "$(ulc(c=>ruid)[0])");
		$var(d) = registered("location");
		$var(e) = unregister("location", "$ru");
		$var(f) = registered("location");
		append_to_reply("X-Result: $var(a) $var(b) $var(c) $var(d) $var(e) $var(f)\\r\\n");
		break;
	case "ulc":
		$var(result) = reg_fetch_contacts("location", "$ru", "c");
		append_to_reply("X-Record: $ulc(c=>aor)|$ulc(c=>domain)|$ulc(c=>count)\\r\\n");
		append_to_reply("X-First: $ulc(c=>addr)|$ulc(c=>path)|$ulc(c=>received)|$ulc(c=>q)|$ulc(c=>flags)|$ulc(c=>cflags)|$ulc(c=>methods)|$ulc(c=>user_agent)|$ulc(c=>regid)|$ulc(c=>instance)|$ulc(c=>conid)\\r\\n");
		$var(left) = $ulc(c=>expires) - $Ts;
		append_to_reply("X-Left: $var(left)\\r\\n");
		append_to_reply("X-Second: $(ulc(c=>addr)[1])|$(ulc(c=>addr)[9])\\r\\n");
		reg_free_contacts("c");
		append_to_reply("X-Freed: $ulc(c=>count)\\r\\n");
		break;
	}
	append_to_reply("X-To: $ru|$du|$bf|$xavp(ulrcd=>contact)|$xavp(ulrcd=>received)\\r\\n");
	append_to_reply("X-Branches: $(branch(uri)[0])|$(branch(dst_uri)[0])|$(branch(path)[0])|$(branch(uri)[1])|$branch(count)\\r\\n");
	sl_send_reply("299", "result $var(result)");
}
"""


def config(**settings):
    values = dict(registrar__xavp_cfg='"reg"', registrar__xavp_rcd='"ulrcd"', registrar__use_path=1,
                  registrar__path_mode=0, registrar__received_avp='"$avp(seen)"',
                  registrar__method_filtering=1)
    values.update(settings)
    return head(**values) + SCRIPT


CONFIG = config()
ALLOWED = ["unregister", "lookup_helper", "AOR/Contact not found", "no r-uri or branches"]


@pytest.fixture
def phone(agent, server):
    made = agent("phone")
    made.user = "phone%d" % made.address[1]
    return made


def ask(phone, what, method="INVITE", uri=None, headers=()):
    request = phone.request(method, uri or phone.aor, to="<%s>" % phone.aor,
                            headers=[("X-Do", what), *headers])
    phone.send(request)
    return phone.expect_reply(299, request)


def result(reply):
    return int(reply.reason.split()[-1])


def test_best_contact_becomes_the_request_uri(phone):
    phone.register(contact="<sip:a@192.0.2.1>;q=0.2, <sip:b@192.0.2.2>;q=0.8, <sip:c@192.0.2.3>")
    reply = ask(phone, "lookup")
    assert result(reply) == 1
    assert reply["X-To"] == "sip:b@192.0.2.2|<null>|8|sip:b@192.0.2.2|<null>"
    assert reply["X-Branches"] == "sip:a@192.0.2.1|<null>|<null>|sip:c@192.0.2.3|2"


def test_nobody_is_found(phone):
    reply = ask(phone, "lookup")
    assert result(reply) == -1


def test_seen_address_becomes_the_next_hop_and_flags_come_back(phone):
    phone.register(contact="<sip:a@192.0.2.1>", headers=[("X-Seen", "sip:198.51.100.7:99")])
    assert ask(phone, "lookup")["X-To"] == \
        "sip:a@192.0.2.1|sip:198.51.100.7:99|72|sip:a@192.0.2.1|sip:198.51.100.7:99"


def test_path_is_the_way_to_go(phone):
    path = "<sip:p1.example.org;lr>, <sip:p2.example.org;lr>"
    phone.register(contact="<sip:a@192.0.2.1>", headers=[("Path", path), ("X-Seen", "sip:198.51.100.7")])
    assert ask(phone, "lookup")["X-To"].startswith("sip:a@192.0.2.1|sip:p1.example.org;lr|")
    assert ask(phone, "dset")["X-Branches"].startswith(
        "sip:a@192.0.2.1|sip:p1.example.org;lr|%s|" % path)


def test_destination_set_leaves_the_request_uri(phone):
    phone.register(contact="<sip:a@192.0.2.1>;q=0.9, <sip:b@192.0.2.2>;q=0.8")
    reply = ask(phone, "dset")
    assert reply["X-To"].startswith(phone.aor + "|<null>|0|")
    assert reply["X-Branches"] == "sip:a@192.0.2.1|<null>|<null>|sip:b@192.0.2.2|2"


def test_branches_are_looked_up(agent, phone):
    other = agent("other")
    other.user = "other%d" % other.address[1]
    other.register(contact="<sip:o@192.0.2.7>")
    reply = ask(phone, "branches", headers=[("X-Other", other.user)])
    assert result(reply) == 1
    assert reply["X-Branches"] == "sip:o@192.0.2.7|<null>|<null>|sip:unknown@example.org|2"
    assert result(ask(phone, "branches", headers=[("X-Other", "nobody")])) == -1


def test_methods_are_minded(phone):
    phone.register(contact="<sip:a@192.0.2.1>", headers=[("Allow", "INVITE, ACK, BYE")])
    assert result(ask(phone, "lookup")) == 1
    assert result(ask(phone, "lookup", method="MESSAGE")) == -2
    phone.register(contact='<sip:b@192.0.2.2>;methods="MESSAGE"', headers=[("Allow", "INVITE")])
    assert ask(phone, "lookup", method="MESSAGE")["X-To"].startswith("sip:b@192.0.2.2|")


def test_gruus_reach_their_instance(phone):
    for name in "ab":
        reply = phone.register(contact='<sip:%s@192.0.2.1>;+sip.instance="<urn:uuid:%s>"' % (name, name),
                               headers=[("Supported", "gruu")])
    temporary = re.search(r'<sip:b@192.0.2.1>[^,]*temp-gruu="sip:([^@"]+)@', reply["Contact"]).group(1)
    public = ask(phone, "lookup", uri=phone.aor + ";gr=urn:uuid:b")
    assert public["X-To"].startswith("sip:b@192.0.2.1|")
    assert public["X-Branches"].endswith("|0") or public["X-Branches"].endswith("|<null>")
    found = ask(phone, "lookup", uri="sip:%s@%s;gr" % (temporary, phone.domain))
    assert found["X-To"].startswith("sip:b@192.0.2.1|")
    assert result(ask(phone, "lookup", uri=phone.aor + ";gr=urn:uuid:c")) == -1


@pytest.mark.parametrize("user", ["phone", "-", "x-zz", "uloc-1-2-3-", "-0123456789abcdef0"])
def test_what_is_no_gruu_is_an_error(phone, user):
    assert result(ask(phone, "lookup", uri="sip:%s@%s;gr" % (user, phone.domain))) in (-1, -3)


def test_registered_matches_what_the_script_wants(phone):
    phone.register(contact="<sip:a@192.0.2.1>", headers=[("X-Seen", "sip:198.51.100.7:99")])
    assert ask(phone, "registered")["X-Result"] == "1 -1 1 1 -1"


def test_unregister_removes_one_or_all(phone):
    phone.register(contact="<sip:a@192.0.2.1>;q=0.9, <sip:b@192.0.2.2>;q=0.8")
    assert ask(phone, "unregister")["X-Result"] == "1 -3 1 1 1 -1"


def test_script_reads_the_bindings(phone):
    phone.register(contact="<sip:a@192.0.2.1>;q=0.5, <sip:b@192.0.2.2>", expires=600,
                   headers=[("Allow", "INVITE, ACK"), ("X-Seen", "sip:198.51.100.7:99")])
    reply = ask(phone, "ulc")
    assert result(reply) == 1
    assert reply["X-Record"] == phone.user + "|location|2"
    assert reply["X-First"] == "sip:a@192.0.2.1||sip:198.51.100.7:99|500|0|64|5|n/a|0|<null>|<null>"
    assert int(reply["X-Left"]) in range(598, 602)
    assert reply["X-Second"] == "sip:b@192.0.2.2|<null>"
    assert reply["X-Freed"] == "<null>"


def test_only_one_destination_without_append_branches(agent, start_server):
    phone = agent("phone", server=start_server(config(registrar__append_branches=0)))
    phone.register(contact="<sip:a@192.0.2.1>;q=0.9, <sip:b@192.0.2.2>;q=0.8")
    reply = ask(phone, "lookup")
    assert reply["X-To"].startswith("sip:a@192.0.2.1|")
    assert reply["X-Branches"].startswith("<null>|")


def test_realm_prefix_and_domain_belong_to_the_key(agent, start_server):
    server = start_server(config(usrloc__use_domain=1, registrar__realm_prefix='"sip."'))
    phone = agent("phone", server=server)
    phone.register(contact="<sip:a@192.0.2.1>", aor="sip:Al%69ce@sip.Example.org")
    assert result(ask(phone, "lookup", uri="sip:aLICE@example.org")) == 1
    assert result(ask(phone, "lookup", uri="sip:alice@example.com")) == -1


def test_own_path_entry_is_skipped(agent, start_server):
    server = start_server(config(registrar__path_check_local=1))
    phone = agent("phone", server=server)
    own = "<sip:%s;lr>" % server.host_port
    phone.register(contact="<sip:a@192.0.2.1>", headers=[("Path", own + ", <sip:p2.example.org;lr>")])
    assert ask(phone, "lookup")["X-To"].startswith("sip:a@192.0.2.1|sip:p2.example.org;lr|")
    phone.register(contact="<sip:a@192.0.2.1>",
                   headers=[("Path", own), ("X-Seen", "sip:198.51.100.7:99")])
    assert ask(phone, "lookup")["X-To"].startswith("sip:a@192.0.2.1|sip:198.51.100.7:99|")


def test_script_hears_of_expired_bindings(agent, start_server):
    server = start_server(config(registrar__min_expires=0, usrloc__timer_interval=1) + """
event_route[usrloc:contact-expired] {
	xlog("L_NOTICE", "gone: $ulc(exp=>aor) $ulc(exp=>addr) $ulc(exp=>domain)\\n");
}
""")
    phone = agent("phone", server=server)
    phone.register(contact="<sip:a@192.0.2.1>", expires=1)
    server.wait_log(r"gone: %s sip:a@192.0.2.1 location" % phone.user)
    assert result(ask(phone, "lookup")) == -1
