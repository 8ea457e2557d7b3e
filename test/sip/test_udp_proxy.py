# SPDX-License-Identifier: BSD-2-Clause
"""Load balancers before the UDP socket: headers that tell who the client is (udp_accept_proxy)."""
import socket
import struct

import pytest
from settings import START, head

pytestmark = pytest.mark.viaduct_only("the parameter is newer than 5.6")

CONFIG = head("jsonrpcs", "ctl") + """
udp_accept_proxy=3
udp_proxy_networks="127.0.0.1, 127.99.0.0/16"
request_route {""" + START + """
	if (is_method("MESSAGE")) {
		$ru = "sip:client@" + $hdr(X-To);
		t_relay();
		exit;
	}
	sl_send_reply("200", "From $si:$sp");
}
"""

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def packed(host):
    return socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)


def text(client, proxy=("192.0.2.250", 5060)):
    family = b"TCP6" if ":" in client[0] else b"TCP4"
    return b"PROXY %s %s %s %d %d\r\n" % (family, client[0].encode(), proxy[0].encode(), client[1], proxy[1])


def binary(client, proxy=("192.0.2.250", 5060), command=1):
    family = 0x22 if ":" in client[0] else 0x12
    block = packed(client[0]) + packed(proxy[0]) + struct.pack(">HH", client[1], proxy[1])
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, family, len(block)) + block


def simple(client, proxy=("192.0.2.250", 5060)):
    def address(host):
        return packed(host) if ":" in host else b"\0" * 10 + b"\xff\xff" + packed(host)
    return b"\x56\xec" + address(client[0]) + address(proxy[0]) + struct.pack(">HH", client[1], proxy[1])


def request(agent, method="OPTIONS"):
    return agent.request(method, "sip:x@example.com").encode()


class Balancer:
    """A socket that says for whom it speaks."""

    def __init__(self, server, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(5)
        self.server = server

    def send(self, data):
        self.socket.sendto(data, self.server.address)

    def read(self):
        return self.socket.recvfrom(65535)[0]

    def close(self):
        self.socket.close()


@pytest.fixture
def balancer(server):
    opened = []

    def make(host="127.0.0.1"):
        opened.append(Balancer(server, host))
        return opened[-1]
    yield make
    for one in opened:
        one.close()
    server.rpc("udp.proxy.flush")


@pytest.mark.parametrize("header", [text, binary])
def test_the_client_is_who_the_header_names(server, agent, balancer, header):
    alice, front = agent("alice"), balancer()
    front.send(header(("192.0.2.7", 5099)) + request(alice))
    assert front.read().startswith(b"SIP/2.0 200 From 192.0.2.7:5099\r\n")


def test_simple_headers_come_before_answers_too(server, agent, balancer):
    alice, front = agent("alice"), balancer()
    for port in (5099, 5098):  # two clients, one balancer's socket
        header = simple(("192.0.2.8", port))
        front.send(header + request(alice))
        assert front.read().startswith(header + b"SIP/2.0 200 From 192.0.2.8:%d\r\n" % port)


def test_a_client_of_the_other_family_is_answered(server, agent, balancer):
    alice, front = agent("alice"), balancer()
    front.send(binary(("2001:db8::7", 5099), ("2001:db8::1", 5060)) + request(alice))
    assert front.read().startswith(b"SIP/2.0 200 From 2001:db8::7:5099\r\n")


def test_a_balancer_may_say_it_once(server, agent, balancer):
    alice, front, other = agent("alice"), balancer(), balancer()
    front.send(binary(("192.0.2.9", 5099)))  # a datagram of its own
    front.send(request(alice))
    assert front.read().startswith(b"SIP/2.0 200 From 192.0.2.9:5099\r\n")
    other.send(request(alice))
    assert other.read().startswith(b"SIP/2.0 200 From 127.0.0.1:%d\r\n" % other.socket.getsockname()[1])


def test_a_balancer_speaks_for_itself(server, agent, balancer):
    alice, front = agent("alice"), balancer()
    for header in (binary(("192.0.2.9", 1), command=0), b"PROXY UNKNOWN\r\n"):
        front.send(header + request(alice))
        assert b"200 From 127.0.0.1:%d\r\n" % front.socket.getsockname()[1] in front.read()


@pytest.mark.parametrize("header", [binary, simple])
def test_requests_reach_clients_through_their_balancer(server, agent, balancer, header):
    alice, front = agent("alice"), balancer()
    client = ("192.0.2.10", 5097)
    front.send(header(client) + request(alice))
    front.read()
    message = alice.send(alice.request("MESSAGE", "sip:x@example.com",
                                       headers=[("X-To", "%s:%d" % client)]))
    got = front.read()
    prefix = simple(client) if header is simple else b""
    assert got.startswith(prefix + b"MESSAGE sip:client@192.0.2.10:5097 SIP/2.0\r\n")
    lines = got[len(prefix):].split(b"\r\n")
    reply = [b"SIP/2.0 200 Read"] + [l for l in lines if l.split(b":")[0] in
                                     (b"Via", b"From", b"To", b"Call-ID", b"CSeq")] + [b"Content-Length: 0"]
    front.send(header(client) + b"\r\n".join(reply) + b"\r\n\r\n")
    assert alice.expect_reply(200, message).reason == "Read"


def test_strangers_are_not_believed(server, agent, balancer):
    alice = agent("alice")
    stranger, friend = balancer("127.98.0.1"), balancer("127.99.3.4")
    before = server.rpc("udp.proxy.stats")["refused"]
    stranger.send(text(("192.0.2.11", 5099)) + request(alice))
    stranger.send(request(alice))
    assert b" 200 From 127.98.0.1:" in stranger.read()
    friend.send(text(("192.0.2.11", 5099)) + request(alice))
    assert b" 200 From 192.0.2.11:5099" in friend.read()
    assert server.rpc("udp.proxy.stats")["refused"] == before


def test_malformed_headers_are_dropped_and_counted(server, agent, balancer):
    alice, front = agent("alice"), balancer()
    before = server.rpc("udp.proxy.stats")["refused"]
    bad = [b"PROXY TCP4 192.0.2.1\r\n", SIGNATURE + b"\x31\x12\0\0", SIGNATURE + b"\x21\x12\0\x04abcd",
           SIGNATURE, b"\x56\xec\0", text(("192.0.2.1", 1))[:-2]]
    for header in bad:
        front.send(header)
    front.send(request(alice))
    assert b" 200 From 127.0.0.1:" in front.read()
    assert server.rpc("udp.proxy.stats")["refused"] == before + len(bad)


def test_the_table_is_shown_and_emptied(server, agent, balancer):
    alice, front, other = agent("alice"), balancer(), balancer()
    server.rpc("udp.proxy.flush")
    front.send(text(("192.0.2.12", 5099)) + request(alice))
    front.read()
    other.send(simple(("192.0.2.13", 5098)) + request(alice))
    other.read()
    entries = {e["real"]: e for e in server.rpc("udp.proxy.dump")}
    assert entries["udp:192.0.2.12:5099"]["protocol"] == "haproxy"
    assert entries["udp:192.0.2.12:5099"]["proxy"] == "udp:127.0.0.1:%d" % front.socket.getsockname()[1]
    assert entries["udp:192.0.2.13:5098"]["protocol"] == "simple"
    stats = server.rpc("udp.proxy.stats")
    assert stats["real"] == 2 and stats["proxy"] == 1
    assert server.rpc("udp.proxy.clean")["removed"] == 0  # none is two hours old
    assert server.rpc("udp.proxy.flush")["removed"] == 2
    assert not server.rpc("udp.proxy.dump")
    front.send(request(alice))
    assert b" 200 From 127.0.0.1:" in front.read()


def test_without_the_parameter_headers_are_no_sip(start_server, agent):
    server = start_server(head("jsonrpcs", "ctl") + """
request_route {""" + START + """ sl_send_reply("200", "From $si"); }""")
    alice, front = agent("alice", server=server), Balancer(server)
    front.send(text(("192.0.2.7", 5099)) + request(alice))
    front.send(request(alice))
    assert front.read().startswith(b"SIP/2.0 200 From 127.0.0.1\r\n")
    front.close()
