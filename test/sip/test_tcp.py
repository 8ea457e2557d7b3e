# SPDX-License-Identifier: BSD-2-Clause
"""SIP over TCP: framing, keep-alives, connections that are reused, lost and refused (RFC 3261 18)."""
import socket
import time

import pytest

from settings import PROXY, RELAY, START, head
from sipua import Dialog

CONFIG = head("jsonrpcs").replace("disable_tcp=yes", "tcp_accept_aliases=yes") + PROXY + RELAY
SERVER = {"transports": ("udp", "tcp")}


def options(agent):
    """An OPTIONS that the script answers by itself."""
    return agent.request("OPTIONS", agent.server and "sip:harness-ready@%s:%d" % agent.server)


def alone(phone):
    """Under a name of its own: the server knows where the phones of other tests were."""
    phone.user += str(phone.address[1])
    return phone


# ---- calls ----

@pytest.mark.parametrize("caller,callee", [("tcp", "tcp"), ("tcp", "udp"), ("udp", "tcp")])
def test_call_crosses_transports(agent, stream_agent, caller, callee):
    make = {"udp": agent, "tcp": stream_agent}
    alice, bob = make[caller]("alice"), make[callee]("bob")
    bob.register()
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    assert incoming.via[0].startswith("SIP/2.0/%s " % callee.upper())
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    bob.reply(incoming, 200, body=bob.sdp())
    answer = alice.expect_reply(200, invite)
    dialog = Dialog.from_client(alice, invite, answer)
    dialog.ack()
    bob.expect_request("ACK")
    bye = dialog.send("BYE")
    bob.reply(bob.expect_request("BYE"), 200)
    alice.expect_reply(200, bye)


def test_callee_is_reached_over_its_own_connection(agent, stream_agent):
    """RFC 5626: behind NAT only the connection that the phone opened leads to it."""
    alice, bob = agent("alice"), stream_agent("bob")
    connection = bob.connect()
    source = "<sip:bob@%s:%d;transport=tcp>" % connection.socket.getsockname()[:2]
    bob.register(source)
    alice.invite(bob.aor)
    assert bob.expect_request("INVITE").connection is connection


def test_alias_leads_to_the_connection(agent, stream_agent):
    alice, bob = agent("alice"), stream_agent("bob")
    connection = bob.connect()
    register = bob.request("REGISTER", "sip:" + bob.domain, to="<%s>" % bob.aor,
                           contact=bob.contact)
    register.set("Via", register["Via"] + ";alias")
    bob.send(register)
    bob.expect_reply(200, register)
    alice.invite(bob.aor)
    assert bob.expect_request("INVITE").connection is connection


def test_no_retransmission_over_tcp(start_server, agent, stream_agent):
    server = start_server(head(timers=True).replace("disable_tcp=yes", "") + PROXY + RELAY,
                          transports=("udp", "tcp"))
    alice, bob = agent("alice", server), stream_agent("bob", server)
    bob.register()
    alice.invite(bob.aor)
    bob.expect_request("INVITE")
    bob.expect_nothing(0.4)
    alice.expect_reply(408)


def test_cancel_and_failure(stream_agent):
    alice, bob = stream_agent("alice"), alone(stream_agent("bob"))
    bob.register()
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    cancel = alice.cancel(invite)
    alice.expect_reply(200, cancel)
    bob.reply(bob.expect_request("CANCEL"), 200)
    bob.reply(incoming, 487)
    alice.expect_reply(487, invite)
    assert bob.expect_request("ACK").branch == incoming.branch


# ---- framing ----

def test_one_byte_at_a_time(stream_agent):
    alice = stream_agent("alice")
    alice.connect().shatter = True
    request = alice.send(options(alice))
    alice.expect_reply(200, request)


def test_many_messages_in_one_segment(stream_agent):
    alice = stream_agent("alice")
    requests = [options(alice) for _ in range(50)]
    alice.send(b"".join(r.encode() for r in requests))
    for request in requests:
        alice.expect_reply(200, request)


def test_message_is_cut_anywhere(stream_agent):
    alice = stream_agent("alice")
    request = options(alice)
    both = request.encode() + options(alice).encode()
    connection = alice.connect()
    for cut in (1, 17, len(request.encode()) - 1, len(request.encode()), len(both) - 2):
        connection.write(both[:cut])
        connection.write(both[cut:])
        alice.expect_reply(200)
        alice.expect_reply(200)


def test_body_ends_where_content_length_says(stream_agent):
    alice = stream_agent("alice")
    body = b"OPTIONS sip:x SIP/2.0\r\n\r\n" * 10
    first = alice.request("OPTIONS", "sip:harness-ready@%s:%d" % alice.server, body=body,
                          content_type="text/plain")
    second = options(alice)
    alice.send(first.encode() + second.encode())
    alice.expect_reply(200, first)
    alice.expect_reply(200, second)


def test_keepalives(stream_agent):
    alice = stream_agent("alice")
    connection = alice.connect()
    connection.write(b"\r\n\r\n")
    alice.expect_pong()
    connection.write(b"\r\n")
    request = alice.send(options(alice))
    alice.expect_reply(200, request)
    assert connection.pongs == 1


@pytest.mark.viaduct_only("the peer waits for more of what can never become a message")
@pytest.mark.parametrize("rubbish", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
    b"hello\r\n\r\n",
    b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4294967297\r\n\r\n",
    b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 1000000\r\n\r\n",
    b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: -1\r\n\r\n",
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n\r\n",
    b"OPTIONS sip:a@b SIP/2.0\r\nX: " + b"a" * 70000,
], ids=["tls", "words", "huge", "wraps", "large", "negative", "none", "endless"])
def test_rubbish_ends_the_connection(stream_agent, rubbish):
    alice = stream_agent("alice")
    connection = alice.connect()
    try:
        connection.write(rubbish)
    except ConnectionError:
        pass
    connection.wait_closed()


def test_content_length_may_be_missing(start_server, stream_agent):
    server = start_server(head().replace("disable_tcp=yes", "tcp_accept_no_cl=yes") + PROXY + RELAY,
                          transports=("udp", "tcp"))
    alice = stream_agent("alice", server)
    request = options(alice)
    request.remove("Content-Length")
    alice.send(request)
    alice.expect_reply(200, request)


# ---- connections come and go ----

def test_reply_over_a_new_connection_when_the_old_is_lost(stream_agent):
    """RFC 3261 18.2.2: then the sent-by port is where the sender listens."""
    alice, bob = stream_agent("alice"), alone(stream_agent("bob"))
    bob.register()
    first = alice.connect()
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    alice.expect_reply(100, invite)
    first.close()
    bob.reply(incoming, 486)
    assert alice.expect_reply(486, invite).connection is not first


def test_callee_that_hung_up_is_connected_again(stream_agent):
    alice, bob = stream_agent("alice"), stream_agent("bob")
    bob.register()
    first = bob.connections[0]
    alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 200, body=bob.sdp())
    alice.expect_reply(200)
    first.close()
    incoming.connection.close()
    alice.invite(bob.aor)
    assert bob.expect_request("INVITE|ACK")


@pytest.mark.viaduct_only("the peer hears of the failure only when fr_timer ends")
def test_refused_connection_is_a_503(agent, stream_agent):
    alice, bob = agent("alice"), alone(stream_agent("bob"))
    bob.register()
    bob.close()
    invite = alice.invite(bob.aor)
    alice.expect_reply(503, invite, timeout=3)


@pytest.mark.viaduct_only("names of the fields")
def test_idle_connection_is_closed(start_server, stream_agent):
    server = start_server(head("jsonrpcs").replace("disable_tcp=yes", "tcp_connection_lifetime=1")
                          + PROXY + RELAY, transports=("udp", "tcp"))
    alice = stream_agent("alice", server)
    request = alice.send(options(alice))
    alice.expect_reply(200, request)
    assert server.rpc("core.tcp_info")["opened_connections"] == 1
    alice.connections[0].wait_closed(5)
    assert server.rpc("core.tcp_list") == []


def test_limit_of_connections(start_server, stream_agent):
    server = start_server(head().replace("disable_tcp=yes", "tcp_max_connections=2") + PROXY + RELAY,
                          transports=("udp", "tcp"))
    server.allow("maximum number of connections")
    alice = stream_agent("alice", server)
    for _ in range(2):
        alice.expect_reply(200, alice.send(options(alice), connection=alice.connect()))
    alice.connect().wait_closed()


@pytest.mark.viaduct_only("the peer keeps more than tcp_conn_wq_max in places of its own")
def test_slow_reader_is_dropped(start_server, stream_agent, agent):
    server = start_server(head("jsonrpcs").replace(
        "disable_tcp=yes", "tcp_send_timeout=1\ntcp_conn_wq_max=8192") + """
request_route {
	$var(body) = "0123456789";
	while ($(var(body){s.len}) < 30000) $var(body) = $var(body) + $var(body);
	if ($rU == "big") set_reply_body("$var(body)", "text/plain");
	sl_send_reply("200", "OK");
}
""", transports=("udp", "tcp"))
    slow, other = stream_agent("slow", server), agent("other", server)
    connection = slow.connect()
    connection.socket.settimeout(0.2)
    request = slow.request("OPTIONS", "sip:big@%s:%d" % slow.server).encode()
    try:
        for _ in range(20000):
            connection.write(request)
    except (socket.timeout, ConnectionError):
        pass
    other.expect_reply(200, other.send(options(other)))
    deadline = time.monotonic() + 8
    while server.rpc("core.tcp_info")["opened_connections"]:
        assert time.monotonic() < deadline, server.rpc("core.tcp_list")


# ---- large requests over UDP ----

def test_large_request_leaves_over_tcp(start_server, agent, stream_agent):
    """RFC 3261 18.1.1."""
    server = start_server(head().replace("disable_tcp=yes", "udp_mtu=1300\nudp_mtu_try_proto=TCP")
                          + "request_route {\n" + START + "$du = $hdr(X-To); t_relay();\n}\n",
                          transports=("udp", "tcp"))
    alice, bob = agent("alice", server), stream_agent("bob", server)
    alice.send(alice.request("MESSAGE", "sip:bob@" + bob.host_port, body="x" * 2000,
                             headers=[("X-To", "sip:" + bob.host_port)]))
    request = bob.expect_request("MESSAGE")
    assert request.via[0].startswith("SIP/2.0/TCP ") and len(request.body) == 2000
    bob.reply(request, 200)
    alice.expect_reply(200)


@pytest.mark.parametrize("statement", ['forward_tcp("127.0.0.1", BOB)', "forward_tcp()"])
def test_stateless_forward_over_tcp(start_server, agent, stream_agent, statement):
    server = start_server(head().replace("disable_tcp=yes", "")
                          + "request_route {\n" + START + statement.replace("BOB", "$(ru{uri.port})")
                          + ";\n}\n", transports=("udp", "tcp"))
    alice, bob = agent("alice", server), stream_agent("bob", server)
    alice.send(alice.request("MESSAGE", "sip:bob@" + bob.host_port))
    request = bob.expect_request("MESSAGE")
    assert request.via[0].startswith("SIP/2.0/TCP ") and len(request.via) == 2
    bob.reply(request, 200)
    alice.expect_reply(200)
