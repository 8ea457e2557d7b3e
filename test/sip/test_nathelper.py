# SPDX-License-Identifier: BSD-2-Clause
"""Module nathelper: registrations and calls of phones behind NATs, and pings."""
import pytest
from settings import START, head

PRIVATE = "<sip:%s@10.9.8.7:5099>"
ROUTE = """
request_route {
""" + START + """
	if (is_method("REGISTER")) {
		setbflag(6);
		if ($hdr(X-Do) == "register") fix_nated_register();
		if ($hdr(X-Do) == "contact") fix_nated_contact();
		if ($hdr(X-Do) == "alias") set_contact_alias();
		if ($hdr(X-Do) == "sip") { setbflag(7); fix_nated_register(); }
		if ($hdr(X-Do) == "none") { setbflag(8); fix_nated_register(); }
		save("location");
		exit;
	}
	if (has_totag()) loose_route();
	else {
		record_route();
		lookup("location");
	}
	handle_ruri_alias();
	if (nat_uac_test("1")) add_contact_alias();
	t_on_reply("NAT");
	t_relay();
}
onreply_route[NAT] {
	if (nat_uac_test("1")) add_contact_alias();
}
"""
SETTINGS = {"nathelper|registrar__received_avp": '"$avp(received)"', "usrloc__nat_bflag": 6}


def config(**settings):
    return head("nathelper", "ctl", "jsonrpcs", **{**SETTINGS, **settings}) + ROUTE




def register(phone, server, do, expires=600):
    request = phone.request("REGISTER", "sip:" + phone.domain, to="<%s>" % phone.aor,
                            from_="<%s>;tag=%s" % (phone.aor, phone.unique("from")),
                            contact=PRIVATE % phone.user,
                            headers=[("X-Do", do), ("Expires", str(expires))])
    phone.send(request, server.address)
    return phone.expect_reply(200, request)


@pytest.mark.parametrize("do", ["register", "contact", "alias"])
def test_a_phone_behind_a_nat_is_reached(agent, start_server, do):
    server = start_server(config())
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    register(bob, server, do)
    message = alice.request("MESSAGE", bob.aor)
    alice.send(message, server.address)
    seen = bob.expect_request("MESSAGE")
    assert seen.uri == ("sip:bob@%s" % bob.host_port if do == "contact"
                        else "sip:bob@10.9.8.7:5099")
    bob.reply(seen, 200)
    alice.expect_reply(200, message)


def test_a_call_between_two_nats_finds_its_way_back(agent, start_server):
    server = start_server(config())
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    register(bob, server, "register")
    invite = alice.invite(bob.aor, contact=PRIVATE % "alice")
    incoming = bob.expect_request("INVITE")
    assert incoming["Contact"] == "<sip:alice@10.9.8.7:5099;alias=%s~%d~1>" % alice.address
    bob.reply(incoming, 200, contact=PRIVATE % "bob")
    answer = alice.expect_reply(200, invite)
    assert answer["Contact"] == "<sip:bob@10.9.8.7:5099;alias=%s~%d~1>" % bob.address
    bye = alice.request("BYE", answer["Contact"].strip("<>"), to=answer["To"], from_=invite["From"],
                        call_id=invite["Call-ID"], cseq=2,
                        headers=[("Route", answer["Record-Route"])])
    alice.send(bye, server.address)
    ended = bob.expect_request("BYE")
    assert ended.uri == "sip:bob@10.9.8.7:5099"
    bob.reply(ended, 200)
    alice.expect_reply(200, bye)


def test_received_address_is_stored_and_told(agent, start_server):
    server = start_server(config())
    bob = agent("bob", server=server)
    answer = register(bob, server, "register")
    assert 'received="sip:%s"' % bob.host_port in answer["Contact"]


PINGS = dict(nathelper__natping_interval=1, nathelper__natping_disable_bflag=8)
REQUESTS = dict(PINGS, nathelper__sipping_bflag=7,
                nathelper__sipping_from='"sip:pinger@example.com"')


def next_packet(phone, seconds=6):
    """The next datagram as bytes, whatever it is; None after the time."""
    phone.socket.settimeout(seconds)
    try:
        return phone.socket.recv(65535)
    except TimeoutError:
        return None


def test_contacts_get_zero_bytes(agent, start_server):
    server = start_server(config(**PINGS))
    bob = agent("bob", server=server)
    register(bob, server, "register")
    assert next_packet(bob) == bytes(4)
    assert next_packet(bob) == bytes(4)


def test_contacts_with_the_flag_get_requests(agent, start_server):
    server = start_server(config(**REQUESTS, nathelper__sipping_method='"INFO"'))
    bob = agent("bob", server=server)
    register(bob, server, "sip")
    ping = bob.expect_request("INFO")
    assert ping.uri == "sip:bob@10.9.8.7:5099"
    assert ping["From"].startswith("<sip:pinger@example.com>;tag=") or \
        ping["From"].startswith("sip:pinger@example.com;tag=")
    assert ping["Via"].startswith("SIP/2.0/UDP %s:%d;branch=z9hG4bK" % server.address)
    assert ping["To"].strip("<>") == "sip:bob@10.9.8.7:5099"
    bob.reply(ping, 200)
    assert bob.expect_request("INFO")["Call-ID"] != ping["Call-ID"]


def test_contacts_that_want_none_get_none(agent, start_server):
    server = start_server(config(**PINGS))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    register(bob, server, "none")
    register(alice, server, "register")
    assert next_packet(alice) == bytes(4)
    assert next_packet(alice) == bytes(4)
    assert next_packet(bob, 0.05) is None


def test_only_contacts_behind_nats_are_pinged(agent, start_server):
    server = start_server(config(**REQUESTS, nathelper__ping_nated_only=1).replace(
        "setbflag(6);", 'if ($tU == "alice") setbflag(6);'))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    register(bob, server, "register")
    register(alice, server, "register")
    assert next_packet(alice) == bytes(4)
    assert next_packet(alice) == bytes(4)
    assert next_packet(bob, 0.05) is None


def test_pinging_can_be_switched_off(agent, start_server):
    server = start_server(config(**PINGS))
    bob = agent("bob", server=server)
    server.rpc("nathelper.enable_ping", 0)
    register(bob, server, "register")
    assert next_packet(bob, 2.2) is None
    server.rpc("nathelper.enable_ping", 1)
    assert next_packet(bob) == bytes(4)


def contacts(server):
    return str(server.rpc("ul.dump")["Domains"]).count("'Call-ID'")


@pytest.mark.viaduct_only("the peer still has it after 20 s with these settings")
def test_a_contact_that_does_not_answer_goes(agent, start_server):
    server = start_server(config(**REQUESTS, nathelper__keepalive_timeout=3))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    register(alice, server, "sip")
    register(bob, server, "sip")
    for _ in range(20):
        if contacts(server) == 1:
            break
        alice.reply(alice.expect_request("OPTIONS"), 200)
    assert contacts(server) == 1
    assert "alice" in str(server.rpc("ul.dump"))


@pytest.mark.viaduct_only("diagnostics are ours")
@pytest.mark.parametrize("settings,said", [
    ({"nathelper__natping_interval": 5, "nathelper__sipping_bflag": 7}, "need sipping_from"),
    ({"nathelper__natping_interval": 5, "nathelper__ping_nated_only": 1, "usrloc__nat_bflag": -1},
     "nat_bflag"),
    ({"nathelper__natping_interval": 5, "nathelper__sipping_from": '"nobody"'}, "no SIP URI"),
    ({"nathelper__natping_interval": 5, "nathelper__force_socket": '"192.0.2.1:5060"'},
     "no UDP socket"),
])
def test_settings_that_cannot_work_are_told(start_server, settings, said):
    with pytest.raises(AssertionError, match=said):
        start_server(config(**settings))
