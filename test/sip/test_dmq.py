# SPDX-License-Identifier: BSD-2-Clause
"""Module dmq: nodes that find each other, messages between them, and nodes that do not answer. The nodes of
most scenarios are user agents; test_dmq_cluster.py has real servers."""
import random
import time

import pytest
from settings import START, head
from sipua import Agent
from sipua.server import Server

ROUTES = """
request_route {
""" + START + """
	if (is_method("KDMQ")) {
		if ($rU == "chat") xlog("L_NOTICE", "KDMQ chat: $rb\n");
		dmq_handle_message();
	}
#!ifdef REGISTRAR
	if (is_method("REGISTER")) {
		setbflag(3);
		save("location");
		exit;
	}
#!endif
#!ifdef CHANGES
	if (is_method("INFO")) route(CHANGE);
#!endif
	if ($rU == "everyone") {
		$var(r) = dmq_bcast_message("chat", "hello $hdr(X-Word)", "text/plain");
	} else if ($rU == "one") {
		$var(r) = dmq_send_message("chat", "$hdr(X-Word)", "you", "text/plain");
	} else if ($rU == "copy") {
		$var(r) = dmq_t_replicate();
	} else if ($rU == "who") {
		$var(r) = dmq_is_from_node();
	}
	append_to_reply("X-Result: $var(r)\\r\\n");
	sl_send_reply("200", "Done");
}
event_route[dmq:peer-up] { xlog("L_NOTICE", "event: up $ru\\n"); }
event_route[dmq:peer-disabled] { xlog("L_NOTICE", "event: disabled $ru\\n"); }
"""


def config(first, *lines, **settings):
    settings.setdefault("dmq__notification_address", '"sip:%s"' % first.host_port)
    settings.setdefault("dmq__server_address", '"sip:@ADDRESS@"')
    return head("jsonrpcs", "statistics", "dmq", timers=True, **settings) + "\n".join(lines) + ROUTES


class Node(Agent):
    """A user agent on an address of its own that speaks as a node."""

    def __init__(self, name="node"):
        super().__init__(name, "127.%d.%d.%d" % tuple(random.randint(2, 250) for _ in range(3)))

    @property
    def uri(self):
        return "sip:" + self.host_port

    def line(self, status="active"):
        return "%s;status=%s\r\n" % (self.uri, status)

    def answered(self, channel=None, status=200, body=""):
        """The next KDMQ, which is answered; those of other channels are, too."""
        while True:
            request = self.expect_request("KDMQ")
            is_list = request.uri.startswith("sip:notification_peer@")
            reply = self.reply_to(request, status if channel in request.uri else 200,
                                  body=body if is_list else "")
            reply.headers = [(n, "text/plain" if n == "Content-Type" else v) for n, v in reply.headers]
            self.send(reply, request.source)
            if channel in request.uri:
                return request

    def kdmq(self, server, channel, body, hops=1, status=200, content_type="text/plain"):
        """Sends a message and returns the answer."""
        request = self.request("KDMQ", server.uri(channel), from_="<sip:%s@%s>;tag=x" % (
            channel, self.host_port), body=body, content_type=content_type, max_forwards=hops)
        self.send(request, server.address)
        return self.expect_reply(status, request)

    def notify(self, server, *lines, hops=1):
        return self.kdmq(server, "notification_peer", "".join(lines), hops)


def order(server, user, word="x", sender=None):
    """Makes the script do what `user` says; its X-Result."""
    alice = sender or Agent("alice", "127.0.0.1", server=server.address)
    request = alice.request("OPTIONS", server.uri(user), headers=[("X-Word", word)])
    alice.send(request, server.address)
    return alice.expect_reply(200, request)["X-Result"]


def statuses(server):
    return {"%s:%s" % (n["host"], n["port"]): n["status"] for n in server.rpc("dmq.list_nodes")}


def wait_for(what, wanted, timeout=8):
    deadline = time.monotonic() + timeout
    while what() != wanted:
        assert time.monotonic() < deadline, "%r is not %r" % (what(), wanted)
        time.sleep(0.02)


@pytest.fixture(scope="module")
def cluster(launch):
    """A server that two nodes know: it was told of the second by the first."""
    first, second = Node("first"), Node("second")
    server = launch(config(first))
    greeting = first.answered("notification_peer", body=first.line() + second.line())
    assert greeting.body.decode() == "sip:%s;status=active\r\n" % server.host_port
    assert greeting["Max-Forwards"] == "2" and greeting["Content-Type"] == "text/plain"
    wait_for(lambda: statuses(server), {first.host_port: "active", second.host_port: "active",
                                        server.host_port: "active"})
    yield server, first, second
    first.close()
    second.close()


# ---- who is there -------------------------------------------------------------------------------------

def test_nodes_are_listed(cluster):
    server, first, second = cluster
    rows = {row["host"]: row for row in server.rpc("dmq.list_nodes")}
    assert rows[first.address[0]]["local"] == 0 and rows[server.address[0]]["local"] == 1
    assert rows[first.address[0]]["resolved_ip"] == first.address[0]
    assert rows[first.address[0]]["proto"] == "*"


def test_a_notification_is_answered_with_what_is_known(cluster):
    server, first, second = cluster
    answer = first.notify(server, first.line())
    assert answer["Content-Type"] == "text/plain"
    assert set(answer.body.decode().split("\r\n")) == {
        "", *("sip:%s;status=active" % n.host_port for n in (server, first, second))}


def test_news_are_passed_on(cluster):
    server, first, second = cluster
    third = Node("third")
    third.notify(server, third.line(), hops=2)
    for node in (first, second, third):
        told = node.answered("notification_peer")
        assert told["Max-Forwards"] == "1" and third.uri + ";status=active" in told.body.decode()
    assert third.host_port in statuses(server)
    assert server.rpc("dmq.remove", third.uri) == "Ok. DMQ node removed."
    assert third.host_port not in statuses(server)
    third.notify(server, third.line())  # without hops nobody is told
    assert statuses(server)[third.host_port] == "active"
    server.rpc("dmq.remove", third.uri)
    first.expect_nothing(0.05)


@pytest.mark.viaduct_only("the peer's node list is locked for ever by a line that it cannot read")
def test_lines_that_name_no_node_are_skipped(cluster):
    server, first, second = cluster
    third = Node("third")
    before = statuses(server)
    for line in ("nonsense", "sip:", "sip:x@", "tel:+1", "sip:1.2.3.4;status=odd", "sip:1.2.3.4;transport=odd",
                 "sip:no.such.name.invalid:5060;status=active", "sip:" + "x" * 300, ";", "sip:[::1;status=active",
                 "sip:a:b@c:;status=active"):
        first.notify(server, line + "\r\n", third.line())
        assert statuses(server) == {**before, third.host_port: "active"}, line
        server.rpc("dmq.remove", third.uri)
    assert statuses(server) == before


@pytest.mark.viaduct_only("commands that the peer's release does not have")
def test_nodes_are_changed_by_commands(cluster):
    server, first, second = cluster
    third = Node("third")
    assert server.rpc("dmq.add", third.uri) == "Ok. DMQ node added."
    assert third.expect_request("KDMQ")["Max-Forwards"] == "2"
    assert statuses(server)[third.host_port] == "pending"
    server.rpc("dmq.change_status", third.uri, "timeout")
    assert statuses(server)[third.host_port] == "timeout"
    third.notify(server, third.line())
    assert statuses(server)[third.host_port] == "active"
    server.rpc("dmq.remove", third.uri)


@pytest.mark.viaduct_only("the peer takes as many nodes as it is told")
def test_the_number_of_nodes_is_limited(cluster):
    server, first, second = cluster
    server.allow("there are too many nodes")
    others = ["sip:127.0.9.%d:5060;status=disabled\r\n" % i for i in range(1, 150)]
    first.notify(server, *others)
    assert len(statuses(server)) == 100
    for line in others:
        server.rpc("dmq.remove", line.partition(";")[0])
    assert len(statuses(server)) == 3


# ---- messages -------------------------------------------------------------------------------------------

def test_everyone_gets_a_message(cluster):
    server, first, second = cluster
    assert order(server, "everyone", "dear") == "1"
    for node in (first, second):
        message = node.answered("chat")
        assert message.uri == "sip:chat@" + node.host_port
        assert message.body == b"hello dear" and message["Max-Forwards"] == "1"
        assert message["From"].startswith("<sip:chat@%s>" % server.host_port)
        assert message["To"] == "<sip:chat@%s>" % node.host_port


def test_one_gets_a_message(cluster):
    server, first, second = cluster
    server.allow("there is no node", "cannot find dmq_node", "error parsing uri")
    assert order(server, "one", second.uri) == "1"
    assert second.answered("chat").body == b"you"
    assert order(server, "one", "sip:127.0.0.1:9") == "-1"
    first.expect_nothing(0.05)


def test_channels_that_scripts_use_are_open(cluster):
    server, first, second = cluster
    assert first.kdmq(server, "unheard", "x", status=404).reason == "User Not Found"
    order(server, "everyone")
    for node in (first, second):
        node.answered("chat")
    assert first.kdmq(server, "chat", "x", status=202).reason == "Accepted DMQ"


def test_nodes_are_known_by_their_address(cluster):
    server, first, second = cluster
    stranger = Node("stranger")
    assert order(server, "who", sender=first) == "1"
    assert order(server, "who", sender=stranger) == "-1"


@pytest.mark.viaduct_only("the peer takes messages from anybody")
def test_strangers_may_only_introduce_themselves(cluster):
    server, first, second = cluster
    stranger = Node("stranger")
    assert stranger.kdmq(server, "chat", "x", status=403).reason == "Not A Node"
    stranger.notify(server, stranger.line())
    stranger.kdmq(server, "chat", "x", status=(202, 404))
    server.rpc("dmq.remove", stranger.uri)


@pytest.mark.viaduct_only("the peer works on repetitions again")
def test_a_repetition_is_answered_the_same(cluster):
    server, first, second = cluster
    before = int(server.rpc("stats.get_statistics", "dmq:received")[0].split()[-1])
    request = first.request("KDMQ", server.uri("notification_peer"), body=first.line())
    for _ in range(3):
        first.send(request, server.address)
    first.expect_reply(200, request)
    for _ in range(2):
        first.expect_retransmission()
    assert int(server.rpc("stats.get_statistics", "dmq:received")[0].split()[-1]) == before + 1


def test_a_request_is_copied_to_all(cluster):
    server, first, second = cluster
    alice = Agent("alice", "127.0.0.1", server=server.address)
    request = alice.request("OPTIONS", server.uri("copy"))
    alice.send(request)
    for node in (first, second):
        copy = node.expect_request("OPTIONS")
        assert copy.uri == request.uri and copy.call_id == request.call_id and len(copy.via) == 2
        node.reply(copy, 404)
    alice.expect_nothing(0.05)
    assert order(server, "copy", sender=first) == "-1"  # it came from a node
    second.expect_nothing(0.05)


# ---- nodes that do not answer --------------------------------------------------------------------------------

@pytest.mark.viaduct_only("the peer pings once a minute at most")
def test_a_silent_node_is_disabled_then_forgotten_and_may_come_back(start_server):
    first, second = Node("first"), Node("second")
    server = start_server(config(first, dmq__ping_interval=1))
    first.answered("notification_peer", body=first.line() + second.line())
    wait_for(lambda: statuses(server).get(second.host_port), "active")

    def listen():
        """Answers for the first node until there is nothing more."""
        while first.read(0.02):
            for request in first.collect(0):
                first.reply(request, 200)
        return statuses(server).get(second.host_port)
    wait_for(listen, "disabled")
    wait_for(listen, None)
    assert statuses(server)[first.host_port] == "active"
    for event in ("up", "disabled"):
        server.wait_log("event: %s sip:%s" % (event, second.host_port))
    second.notify(server, second.line())
    assert statuses(server)[second.host_port] == "active"


@pytest.mark.viaduct_only("the peer does not count")
def test_a_node_that_is_behind_loses_messages(start_server):
    first = Node("first")
    server = start_server(config(first, dmq__queue_limit=10))
    server.expect_log("does not answer fast enough")
    first.answered("notification_peer")
    wait_for(lambda: statuses(server)[first.host_port], "active")
    for i in range(25):
        order(server, "everyone", str(i))
    bodies = {m.body for m in first.collect(0.1) if m.is_request}
    assert bodies == {b"hello %d" % i for i in range(10)}
    assert int(server.rpc("stats.get_statistics", "dmq:dropped")[0].split()[-1]) == 15
    assert server.log().count("does not answer fast enough") == 1
    wait_for(lambda: statuses(server)[first.host_port], "disabled")


# ---- settings -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("settings, complaint", [
    ({"dmq__server_address": '"sip:10.255.255.1:5060"'}, "not an address that this server listens on"),
    ({"dmq__server_address": '"nonsense"'}, "write sip:ADDRESS:PORT"),
    ({"dmq__server_address": '"sip:node.invalid"'}, "say by server_socket"),
    ({"dmq__server_socket": '"udp:10.255.255.1:5060"'}, "not an address that this server listens on"),
    ({"dmq__notification_address": '"nonsense"'}, "expected the URI of a node"),
])
@pytest.mark.viaduct_only("our sentences")
def test_wrong_settings_are_told(program, settings, complaint):
    node = Node()
    with pytest.raises(AssertionError, match=complaint):
        Server(config(node, **settings), program).discard()
    node.close()
