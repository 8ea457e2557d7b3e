# SPDX-License-Identifier: BSD-2-Clause
"""Core parameters do what they say: tos, mhomed, reply_to_via, log_prefix_mode, phone2tel."""
import socket

import pytest
from settings import START, head


def routes(body):
    return "request_route {" + START + body + "\n}\n"


def type_of_service(receiver):
    """Waits for a datagram on the agent's socket; the TOS byte that it came with."""
    receiver.socket.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    receiver.socket.settimeout(8)
    _, ancillary, _, _ = receiver.socket.recvmsg(65536, 256)
    return next(data[0] for level, kind, data in ancillary if kind == socket.IP_TOS)


@pytest.mark.parametrize("value, tos", [
    # The peer takes each of the two for the other.
    pytest.param("IPTOS_LOWDELAY", 0x10, marks=pytest.mark.viaduct_only("the peer's constants differ")),
    pytest.param("IPTOS_THROUGHPUT", 8, marks=pytest.mark.viaduct_only("the peer's constants differ")),
    ("0x08", 8), ("0", 0)])
def test_tos_marks_what_is_sent(start_server, agent, value, tos):
    server = start_server(head() + "tos=%s\n" % value + routes('sl_send_reply("200", "OK");'))
    alice = agent("alice", server=server)
    alice.socket.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    alice.send(alice.request("OPTIONS", server.uri("x")))
    assert type_of_service(alice) == tos


@pytest.mark.parametrize("mhomed, own", [("0", False), ("1", True)])
def test_mhomed_takes_the_socket_that_the_route_says(start_server, agent, mhomed, own):
    """The system sends to 127.0.0.1 from 127.0.0.1; the request came to another address of ours."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = start_server(head() + "mhomed=%s\nlisten=udp:127.0.0.1:%d\n" % (mhomed, port)
                          + routes("forward();"), ping=False)
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    alice.send(alice.request("OPTIONS", "sip:bob@" + bob.host_port))
    came = bob.expect_request("OPTIONS")
    expected = "127.0.0.1:%d" % port if own else server.host_port
    assert came.all("Via")[0].startswith("SIP/2.0/UDP %s;" % expected)


@pytest.mark.parametrize("parameter, to_via", [("0", False), ("1", True)])
def test_reply_to_via(start_server, agent, parameter, to_via):
    server = start_server(head() + "reply_to_via=%s\n" % parameter + routes('sl_send_reply("200", "OK");'))
    alice, bob = agent("alice", server=server, host="127.0.0.2"), agent("bob", server=server, host="127.0.0.3")
    request = alice.request("OPTIONS", server.uri("x"))
    request.set("Via", "SIP/2.0/UDP 127.0.0.3:%d;branch=z9hG4bKvia" % bob.address[1])
    alice.send(request)
    if to_via:
        bob.expect_reply(200)
    else:
        # To the source's address, but to the port of Via (RFC 3261 18.2.2): nobody is there.
        bob.expect_nothing()


@pytest.mark.parametrize("mode, second", [("0", "<0>"), ("1", "<1>")])
def test_log_prefix_mode(start_server, agent, mode, second):
    server = start_server(head() + 'log_prefix="<$mf>"\nlog_prefix_mode=%s\n' % mode + routes(
        'if (!is_method("OPTIONS")) { exit; }\n\txlog("L_NOTICE", "first\\n");\n\tsetflag(0);\n'
        '\txlog("L_NOTICE", "second\\n");\n\tsl_send_reply("200", "OK");'))
    alice = agent("alice", server=server)
    alice.expect_reply(200, alice.send(alice.request("OPTIONS", server.uri("x"))))
    server.wait_log("<0>.*first")
    server.wait_log(second + ".*second")


PHONE = routes("""
	append_to_reply("Saw: $rU|$(ru{uri.user})|$fU|$rz|$sel(ruri.user)\\r\\n");
	$rU = "55";
	append_to_reply("Set: $ru\\r\\n");
	prefix("1");
	append_to_reply("Prefixed: $ru\\r\\n");
	sl_send_reply("200", "OK");
""")


@pytest.mark.parametrize("phone2tel, saw, written", [
    ("1", "+1234|+1234|+99|tel|+1234", "55;ext=5"), ("0", "+1234;ext=5|+1234;ext=5|+99;ext=6|sip|+1234;ext=5", "55")])
def test_phone2tel(start_server, agent, phone2tel, saw, written):
    """A sip URI with user=phone is seen as its telephone number; what follows the number stays."""
    server = start_server(head() + 'phone2tel=%s\n' % phone2tel + PHONE)
    alice = agent("alice", server=server)
    request = alice.request("OPTIONS", "sip:+1234;ext=5@%s;user=phone" % server.host_port,
                            from_="<sip:+99;ext=6@foo.com;user=phone>;tag=1")
    reply = alice.expect_reply(200, alice.send(request))
    assert reply["Saw"] == saw
    assert reply["Set"].startswith("sip:%s@" % written)
    assert reply["Prefixed"].startswith("sip:1%s@" % written)
