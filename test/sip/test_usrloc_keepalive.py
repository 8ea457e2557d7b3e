# SPDX-License-Identifier: BSD-2-Clause
"""Keepalive of bindings (ka_mode of usrloc): who is asked, with what, and what becomes of the answers."""
import re
import time

import pytest
from settings import START, head
from sipua.server import RpcError

SCRIPT = """
request_route {
""" + START + """
	if (is_method("REGISTER")) {
		if ($hdr(X-Nat) == "1") {
			fix_nated_register();
			setbflag(6);
		}
		save("location");
	}
}
"""
COMMON = {"nathelper|registrar__received_avp": '"$avp(received)"', "usrloc__nat_bflag": 6,
          "usrloc__timer_interval": 1, "registrar__min_expires": 1, "registrar__use_path": 1,
          "registrar__path_mode": 0}
NATED = [("X-Nat", "1")]


def config(**settings):
    return head("path", "nathelper", "ctl", "jsonrpcs", **{**COMMON, **settings}).replace(
        "disable_tcp=yes", "") + SCRIPT


CONFIG = config(usrloc__ka_mode=1, usrloc__ka_timeout=2, usrloc__ka_loglevel=1,
                usrloc__ka_logmsg='" status $rs of [$tu]"')
ALLOWED = [r"connect.*(127\.0\.0\.1|failed)"]          # the phone that is lost
SERVER = {"transports": ("udp", "tcp")}


def contact_of(server, user):
    try:
        return server.rpc("ul.lookup", "location", user)["Contacts"][0]["Contact"]
    except RpcError:
        return None


def wait_for(wanted, what):
    deadline = time.monotonic() + 15
    while not (found := wanted()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def test_contacts_are_asked_and_answers_measured(server, agent):
    bob = agent("bob")
    bob.register(expires=600)
    ask = bob.expect_request("OPTIONS")
    assert ask.uri == bob.contact.strip("<>")
    assert ask["From"].startswith("<sip:server@kamailio.org>;tag=uloc-")
    assert ask["To"] == "<sip:bob@kamailio.org>"
    assert ask["Via"].startswith("SIP/2.0/UDP %s:%d;branch=z9hG4bK" % server.address)
    before = contact_of(server, "bob")
    assert before["KA-Roundtrip"] == 0
    bob.reply(ask, 404)                       # any answer is a sign of life
    after = wait_for(lambda: (c := contact_of(server, "bob"))["KA-Roundtrip"] and c,
                     "the answer was not counted")
    assert 0 < after["KA-Roundtrip"] < 15e6
    line = server.wait_log(r"keepalive roundtrip: \d+\.\d{6} sec - ruid \[(\S+)\] "
                           r"status 404 of \[sip:bob@kamailio.org\]")
    assert line.group(1) == after["Ruid"]
    again = bob.expect_request("OPTIONS")
    assert again["Call-ID"] != ask["Call-ID"]


def test_the_path_leads_to_the_contact(server, agent):
    edge = agent("edge")
    path = "<sip:%s;lr>" % edge.host_port
    edge.register(contact="<sip:edge@192.0.2.9>", expires=600,
                  headers=[("Path", path), ("Supported", "path")])
    ask = edge.expect_request("OPTIONS")
    assert ask.uri == "sip:edge@192.0.2.9"
    assert ask["Route"] == path


def test_the_address_that_was_seen_counts(server, agent):
    carol = agent("carol")
    carol.register(contact="<sip:carol@192.0.2.9>", expires=600, headers=NATED)
    assert carol.expect_request("OPTIONS").uri == "sip:carol@192.0.2.9"
    assert contact_of(server, "carol")["Keepalive"] == 1


def test_the_connection_of_the_registration_is_used(server, stream_agent):
    dave = stream_agent("dave", server)
    dave.register(contact="<sip:dave@192.0.2.9;transport=tcp>", expires=600)
    ask = dave.expect_request("OPTIONS")
    assert ask["Via"].startswith("SIP/2.0/TCP ")
    assert len(dave.connections) == 1
    dave.reply(ask, 200)
    wait_for(lambda: contact_of(server, "dave")["KA-Roundtrip"], "the answer was not counted")


def test_who_does_not_answer_has_ten_seconds_left(server, agent, stream_agent):
    silent, talker = agent("silent"), agent("talker")
    lost = stream_agent("lost", server)
    for phone in (silent, talker, lost):
        phone.register(expires=600)
    for connection in lost.connections:
        connection.socket.close()
    lost.socket.close()           # what is refused at once is no answer
    def is_over():
        ask = talker.expect_request("OPTIONS")
        talker.reply(ask, 200)
        return all(contact_of(server, name) is None or contact_of(server, name)["Expires"] <= 10
                   for name in ("silent", "lost"))
    wait_for(is_over, "contacts without an answer stay")
    assert contact_of(server, "talker")["Expires"] > 500
    silent.register(expires=600)
    assert contact_of(server, "silent")["Expires"] > 500


def test_an_answer_that_nobody_asked_for_changes_nothing(server, agent):
    eve, bob = agent("eve"), agent("bert")
    bob.register(expires=600)
    ask = bob.expect_request("OPTIONS")
    tag = re.search("tag=(.*)", ask["From"]).group(1)
    ruid, number, sent = tag.rsplit("-", 2)
    for wrong in ("", "-", "--", "a-b", ruid, ruid + "-", ruid + "--", "-%s-%s" % (number, sent),
                  "%s-%s-%s" % (ruid, number, "f" * 16), "%s-%s-%s" % (ruid, number, "f" * 17),
                  "%s-%sx-%s" % (ruid, number, sent), "%s-%s-%s" % (ruid, "1" + number[1:], sent),
                  "%sx-%s-%s" % (ruid, number, sent)):
        answer = ("SIP/2.0 200 OK\r\nVia: %s\r\nFrom: <sip:a@b>;tag=%s\r\nTo: <sip:c@d>;tag=1\r\n"
                  "Call-ID: %s\r\nCSeq: 80 OPTIONS\r\nContent-Length: 0\r\n\r\n"
                  % (ask["Via"], wrong, ask["Call-ID"]))
        eve.send(answer.encode(), server.address)
    eve.register(expires=600)                 # everything before it was worked on
    assert contact_of(server, "bert")["KA-Roundtrip"] == 0


def test_filters_and_texts(start_server, agent, stream_agent):
    server = start_server(config(
        usrloc__ka_mode=6, usrloc__use_domain=1, usrloc__ka_method='"NOTIFY"',
        usrloc__ka_from='"sip:watch@example.com"', usrloc__ka_domain='"ignored.example"'),
        transports=("udp", "tcp"))
    nated, plain = agent("o'b%20r", server=server), agent("plain", server=server)
    stream = stream_agent("stream", server)
    plain.register(expires=600)
    stream.register(expires=600, headers=NATED)
    nated.register(expires=600, headers=NATED)
    for _ in range(2):
        ask = nated.expect_request("NOTIFY")
        assert ask["From"].startswith("<sip:watch@example.com>;tag=")
        user = "o'b%20r" if server.program == "viaduct" else "o'b r"    # no URI
        assert ask["To"] == "<sip:%s@%s>" % (user, server.address[0])
        assert ask["CSeq"].endswith(" NOTIFY")
    plain.expect_nothing()
    stream.expect_nothing()


@pytest.mark.viaduct_only("the peer has no journal")
def test_a_contact_of_another_server_is_not_asked(start_server, agent):
    server = start_server("server_id=7\n" + config(usrloc__ka_mode=1, usrloc__ka_filter=1,
                                                   usrloc__journal=1))
    own, foreign = agent("own", server=server), agent("foreign", server=server)
    foreign.register(expires=600)
    assert foreign.expect_request("OPTIONS")
    server.process.terminate()
    assert server.process.wait(10) == 0
    with open(server.config) as old:
        changed = old.read().replace("server_id=7", "server_id=8")
    with open(server.config, "w") as new:
        new.write(changed)
    server.start()
    foreign.inbox.clear()
    own.register(expires=600)
    for _ in range(2):
        own.reply(own.expect_request("OPTIONS"), 200)
    assert contact_of(server, "foreign")
    foreign.expect_nothing()


@pytest.mark.viaduct_only("diagnostics are ours")
@pytest.mark.parametrize("settings,said", [
    (dict(usrloc__ka_method='"NO WAY"'), "ka_method is no method"),
    (dict(usrloc__ka_from='"nobody"'), "ka_from is no SIP URI"),
    (dict(usrloc__ka_domain='""'), "ka_domain is no domain"),
    (dict(usrloc__ka_mode=2, usrloc__nat_bflag=-1), "nat_bflag"),
    (dict(usrloc__ka_logmsg='"$nothing(here)"'), "nothing"),
])
def test_settings_that_cannot_work_are_told(start_server, settings, said):
    with pytest.raises(AssertionError, match=said):
        start_server(config(**{"usrloc__ka_mode": 1, **settings}))
