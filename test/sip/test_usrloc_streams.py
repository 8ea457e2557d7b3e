# SPDX-License-Identifier: BSD-2-Clause
"""Bindings that were made over TCP connections (handle_lost_tcp, close_expired_tcp)."""
import time

from settings import START, head
from sipua.server import RpcError

SCRIPT = """
request_route {
""" + START + """
	if (is_method("REGISTER")) save("location");
}
"""


def config(**settings):
    return head("ctl", "jsonrpcs", usrloc__timer_interval=1, registrar__min_expires=1,
                **settings).replace("disable_tcp=yes", "") + SCRIPT


def bindings(server, user):
    try:
        found = server.rpc("ul.lookup", "location", user)
    except RpcError:
        return 0
    return len(found["Contacts"])


def wait_for(wanted, what):
    deadline = time.monotonic() + 10
    while not wanted():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_binding_ends_with_its_connection(start_server, agent, stream_agent):
    server = start_server(config(usrloc__handle_lost_tcp=1), transports=("udp", "tcp"))
    alice, bob, carol = stream_agent("alice", server), stream_agent("bob", server), \
        agent("carol", server)
    for phone in (alice, bob, carol):
        phone.register(expires=600)
    # A second phone of alice's keeps its binding.
    carol.user = "alice"
    carol.register(expires=600, aor=alice.aor)
    assert bindings(server, "alice") == 2
    alice.close()
    wait_for(lambda: bindings(server, "alice") == 1, "the binding of the lost connection stays")
    assert bindings(server, "bob") == 1


def test_binding_moves_to_a_new_connection(start_server, stream_agent):
    server = start_server(config(usrloc__handle_lost_tcp=1), transports=("udp", "tcp"))
    old, new, other = (stream_agent(name, server) for name in ("alice", "alice", "bob"))
    contact = old.contact
    old.register(expires=600)
    new.register(contact=[contact], expires=600)
    other.register(expires=600)
    old.close()
    other.close()
    wait_for(lambda: bindings(server, "bob") == 0, "the binding of the lost connection stays")
    assert bindings(server, "alice") == 1


def test_binding_stays_without_the_setting(start_server, stream_agent):
    server = start_server(config(), transports=("udp", "tcp"))
    alice = stream_agent("alice", server)
    alice.register(expires=600)
    alice.close()
    wait_for(lambda: not server.rpc("core.tcp_list"), "the connection stays")
    assert bindings(server, "alice") == 1


def test_connection_ends_with_its_binding(start_server, stream_agent):
    server = start_server(config(usrloc__close_expired_tcp=1), transports=("udp", "tcp"))
    alice, bob = stream_agent("alice", server), stream_agent("bob", server)
    bob.register(expires=600)
    alice.register(expires=1)
    wait_for(lambda: bindings(server, "alice") == 0, "the binding stays")

    def count():
        listed = server.rpc("core.tcp_list")
        return len(listed if isinstance(listed, list) else [listed])
    wait_for(lambda: count() == 1, "the connection stays")
    assert bindings(server, "bob") == 1
