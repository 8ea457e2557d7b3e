# SPDX-License-Identifier: BSD-2-Clause
"""Calls over IPv6, and from IPv6 to IPv4."""
import socket

import pytest
from settings import PROXY, RELAY, head
from sipua import Dialog

CONFIG = head() + PROXY + RELAY
SERVER = {"ipv6": True}


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


def call(alice, bob):
    invite = alice.invite("sip:%s@%s" % (bob.user, alice.domain))
    incoming = bob.expect_request("INVITE")
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, invite)
    caller = Dialog.from_client(alice, invite, ok)
    callee = Dialog.from_server(bob, incoming, answer)
    caller.ack()
    bob.expect_request("ACK")
    return caller, callee, incoming


def register(phone, aor_domain):
    phone.user = "%s%d" % (phone.user, phone.address[1])
    phone.register(aor="sip:%s@%s" % (phone.user, aor_domain))


def test_call_over_ipv6(agent, server):
    alice, bob = agent("alice", host="::1"), agent("bob", host="::1")
    register(bob, alice.domain)
    caller, callee, incoming = call(alice, bob)
    assert incoming.via[0].split()[1].startswith("[::1]:%d" % server.address6[1])
    assert "sip:[::1]:%d" % server.address6[1] in incoming["Record-Route"]
    bye = callee.send("BYE")
    alice.reply(alice.expect_request("BYE"), 200)
    bob.expect_reply(200, bye)


def test_call_from_ipv6_to_ipv4(agent, server):
    alice, bob = agent("alice", host="::1"), agent("bob")
    register(bob, bob.domain)
    caller, callee, incoming = call(alice, bob)
    assert incoming.via[0].split()[1].startswith("127.")
    assert len(incoming.values("Record-Route")) == 2
    for dialog, other in ((caller, bob), (callee, alice)):
        info = dialog.send("INFO")
        other.reply(other.expect_request("INFO"), 200)
        dialog.agent.expect_reply(200, info)
    bye = caller.send("BYE")
    bob.reply(bob.expect_request("BYE"), 200)
    alice.expect_reply(200, bye)


def test_received_and_rport_over_ipv6(agent, server):
    alice = agent("alice", host="::1")
    message = alice.send(alice.request("MESSAGE", "sip:nobody@" + alice.domain, body="x",
                                       content_type="text/plain"))
    reply = alice.expect_reply(404, message)
    assert reply.via_params()["rport"] == str(alice.address[1])
    assert reply.via_params()["received"].strip("[]") == "::1"
