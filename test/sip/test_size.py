# SPDX-License-Identifier: BSD-2-Clause
"""Large messages: many headers, large bodies, datagrams that IP fragments."""
import pytest
from settings import RELAY, START, head

CONFIG = head() + """
request_route {
""" + START + """
	t_check_trans();
	$du = "sip:" + $hdr(X-Target);
	route(RELAY);
}
""" + RELAY


@pytest.mark.parametrize("size", [0, 1, 1300, 1500, 4000, 9000, 20000, 30000])
def test_body_of_any_size_passes_unchanged(agent, server, size):
    alice, bob = agent("alice"), agent("bob")
    body = bytes(32 + i % 90 for i in range(size))
    message = alice.send(alice.request("MESSAGE", server.uri("x"), body=body,
                                       content_type="text/plain",
                                       headers=[("X-Target", bob.host_port)]))
    got = bob.expect_request("MESSAGE")
    assert got.body == body and got["Content-Length"] == str(size)
    bob.reply(got, 200, body=body)
    assert alice.expect_reply(200, message).body == body


@pytest.mark.parametrize("count", [10, 100, 400])
def test_many_headers_pass_in_order(agent, server, count):
    alice, bob = agent("alice"), agent("bob")
    extra = [("X-Number-%d" % i, "value %d" % i) for i in range(count)]
    message = alice.send(alice.request("MESSAGE", server.uri("x"), body="x",
                                       content_type="text/plain",
                                       headers=[("X-Target", bob.host_port)] + extra))
    got = bob.expect_request("MESSAGE")
    assert [tuple(h) for h in got.headers if h[0].startswith("X-Number")] == extra
    bob.reply(got, 200, headers=extra)
    assert len(alice.expect_reply(200, message).headers) >= count


def test_one_very_long_header_passes(agent, server):
    alice, bob = agent("alice"), agent("bob")
    text = "long " * 3000
    message = alice.send(alice.request("MESSAGE", server.uri("x"), body="x",
                                       content_type="text/plain",
                                       headers=[("X-Target", bob.host_port), ("X-Long", text)]))
    got = bob.expect_request("MESSAGE")
    assert got["X-Long"] == text.strip()
    bob.reply(got, 200)
    alice.expect_reply(200, message)


def test_binary_body_passes_unchanged(agent, server):
    alice, bob = agent("alice"), agent("bob")
    body = bytes(range(256)) * 4
    message = alice.send(alice.request("MESSAGE", server.uri("x"), body=body,
                                       content_type="application/octet-stream",
                                       headers=[("X-Target", bob.host_port)]))
    got = bob.expect_request("MESSAGE")
    assert got.body == body
    bob.reply(got, 200)
    alice.expect_reply(200, message)
