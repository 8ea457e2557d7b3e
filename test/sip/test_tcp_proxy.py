# SPDX-License-Identifier: BSD-2-Clause
"""Load balancers before the TCP socket: the PROXY header that connections begin with (tcp_accept_haproxy)."""
import re

import pytest
from settings import PROXY, RELAY, head
from test_udp_proxy import SIGNATURE, binary, text

CLIENT, SIXTH = ("192.0.2.11", 5091), ("2001:db8::11", 5091)
PARAMETERS = "tcp_accept_haproxy=yes\n"
SAYS = """
	if (is_method("INFO")) {
		if (dst_ip == 192.0.2.250 && dst_port == 5060) append_to_reply("X-Sent-To: balancer\\r\\n");
		append_to_reply("X-Socket: $Ri:$Rp\\r\\n");
		sl_send_reply("200", "From $si:$sp");
		exit;
	}
"""


def config(more=""):
    script = PROXY.replace("request_route {", "request_route {" + SAYS, 1)
    return head().replace("disable_tcp=yes", PARAMETERS + more) + script + RELAY


CONFIG = config()
SERVER = {"transports": ("udp", "tcp")}


def stream(client, command=1):
    """Version 2 for a stream."""
    header = bytearray(binary(client, command=command))
    header[13] = header[13] & 0xf0 | 1
    return bytes(header)


def ask(phone, header=b"", connection=None):
    request = phone.request("INFO", "sip:x@%s:%d" % phone.server)
    connection = connection or phone.connect()
    connection.write(header + request.encode())
    return phone.expect_reply(200, request)


@pytest.mark.parametrize("header", [text, stream], ids=["text", "binary"])
def test_client_is_who_the_header_says(stream_agent, header, program):
    phone = stream_agent("phone")
    reply = ask(phone, header(CLIENT))
    if not (program == "kamailio" and header is stream):    # it turns the octets of the ports round
        assert reply.reason == "From 192.0.2.11:5091"
        assert "rport=5091" in reply.via[0] and reply["X-Sent-To"] == "balancer"
    assert "received=192.0.2.11" in reply.via[0]
    assert reply["X-Socket"] == "%s:%d" % phone.server
    assert ask(phone, connection=phone.connections[-1]).reason == reply.reason


@pytest.mark.viaduct_only("the peer wants it in one piece")
def test_header_comes_in_pieces(stream_agent):
    for header in (text(CLIENT), stream(CLIENT)):
        phone = stream_agent("phone")
        phone.connect().shatter = True
        reply = ask(phone, header, phone.connections[-1])
        assert reply.reason == "From 192.0.2.11:5091"


def test_client_may_have_another_family(stream_agent):
    reply = ask(stream_agent("phone"), text(SIXTH, ("2001:db8::1", 5060)))
    assert reply.reason.lower() == "from 2001:db8::11:5091"


@pytest.mark.parametrize("header", [b"", b"PROXY UNKNOWN\r\n", stream(CLIENT, command=0)],
                         ids=["none", "unknown", "local"])
def test_balancer_speaks_for_itself(stream_agent, header):
    phone = stream_agent("phone")
    reply = ask(phone, header)
    assert reply.reason == "From %s:%d" % phone.connections[-1].socket.getsockname()[:2]


def test_bytes_that_may_become_a_header(stream_agent):
    """A keep-alive begins as the signature of version 2 does."""
    phone = stream_agent("phone")
    connection = phone.connect()
    connection.write(b"\r\n\r\n")
    assert ask(phone, connection=connection).status == 200


@pytest.mark.parametrize("header", [
    b"PROXY TCP4 192.0.2 192.0.2.250 1 2\r\n",
    b"PROXY TCP4 " + b"1" * 100,
    SIGNATURE + b"\x25\x11\x00\x00",
], ids=["address", "endless", "command"])
def test_malformed_header_ends_the_connection(server, stream_agent, header):
    server.allow("PROXY")
    server.allow("tcpconn_new failed")
    connection = stream_agent("phone").connect()
    connection.write(header)
    connection.wait_closed()


@pytest.mark.viaduct_only("the peer's limit is 5 s, and is not to be set")
def test_header_that_does_not_come_ends_the_connection(start_server, stream_agent):
    server = start_server(config("tcp_msg_read_timeout=1\n"), transports=("udp", "tcp"))
    server.expect_log("did not come in time")
    phone = stream_agent("phone", server)
    silent, half = phone.connect(), phone.connect()
    half.write(b"PROXY TCP4 192.")
    silent.wait_closed()
    half.wait_closed()


@pytest.mark.viaduct_only("the peer believes everybody")
def test_only_named_balancers_are_believed(start_server, stream_agent):
    server = start_server(config('udp_proxy_networks="192.0.2.0/24"\n'), transports=("udp", "tcp"))
    server.expect_log("none of udp_proxy_networks")
    phone = stream_agent("phone", server)
    connection = phone.connect()
    connection.write(text(CLIENT))
    connection.wait_closed()
    assert re.match("From 127", ask(phone, connection=phone.connect()).reason)


@pytest.mark.viaduct_only("the peer counts the balancer's connections")
def test_connections_are_counted_by_client(start_server, stream_agent):
    server = start_server(config("tcp_accept_iplimit=3\n"), transports=("udp", "tcp"))
    server.expect_log("too many connections")
    crowd = ("192.0.2.77", 5091)
    phones = [stream_agent("phone", server) for _ in range(4)]
    for phone in phones[:3]:
        ask(phone, text(crowd))
    refused = phones[3].connect()
    refused.write(text(crowd))
    refused.wait_closed()
    for number in range(4):
        ask(stream_agent("other", server), text(("192.0.2.%d" % (80 + number), 5091)))


def test_client_is_reached_over_its_connection(agent, stream_agent):
    """What is for the client's address goes to its balancer."""
    alice, bob = agent("alice"), stream_agent("bob")
    connection = bob.connect()
    register = bob.request("REGISTER", "sip:" + bob.domain, to="<%s>" % bob.aor,
                           contact="<sip:bob@192.0.2.12:5092;transport=tcp>")
    connection.write(text(("192.0.2.12", 5092)) + register.encode())
    bob.expect_reply(200, register)
    alice.invite(bob.aor)
    assert bob.expect_request("INVITE").connection is connection
