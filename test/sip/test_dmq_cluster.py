# SPDX-License-Identifier: BSD-2-Clause
"""Clusters of real servers: ours with ours, and ours with Debian's kamailio in both directions."""
import shutil

import pytest
from settings import head
from sipua.server import Server, find_program
from test_dmq import ROUTES, order, statuses, wait_for

KINDS = ["viaduct-viaduct", "viaduct-kamailio", "kamailio-viaduct"]


class Cluster:
    """Servers that were started one after the other; each later one was told of the first. They stop at the
    end of a `with`."""

    def __init__(self, programs, modules, lines, transport="", **settings):
        self.servers = []
        self.transport = ";transport=" + transport if transport else ""
        try:
            for program in programs:
                self.start(program, modules, lines, settings)
        except BaseException:
            self.discard()
            raise

    def start(self, program, modules, lines, settings, routes=ROUTES):
        first = ['modparam("dmq", "notification_address", "sip:%s%s")' % (
            self.servers[0].host_port, self.transport)] if self.servers else []
        text = head("jsonrpcs", "statistics", "dmq", *modules, timers=True,
                    dmq__server_address='"sip:@ADDRESS@%s"' % self.transport, **settings)
        if self.transport:
            text = text.replace("disable_tcp=yes", "disable_tcp=no")
        server = Server(text + "\n".join([*first, *lines]) + routes, program,
                        transports=("udp", "tcp") if self.transport else ("udp",))
        server.allow("unknown transport protocol")
        self.servers.append(server)
        names = {s.host_port: "active" for s in self.servers}
        for server in self.servers:
            wait_for(lambda s=server: statuses(s), names)
        return self.servers[-1]

    def __enter__(self):
        return self

    def __exit__(self, problem, *_):
        try:
            for server in self.servers:
                # The peer may hang at its end.
                if server.program == "viaduct" and server.process.poll() is None and not problem:
                    server.stop()
        finally:
            self.discard()

    def discard(self):
        """Ends those that run, and removes their directories."""
        for server in self.servers:
            if server.process.poll() is None:
                server.discard()
            else:
                shutil.rmtree(server.directory, ignore_errors=True)


def programs_of(kind):
    programs = kind.split("-")
    for program in programs:
        if not find_program(program):
            pytest.skip("%s is not there" % program)
    return programs


def both_ways(make):
    """Fixtures: `pair` is two servers of a cluster that `make` starts, `ways` the same and who is told what
    by whom ("forth", "back")."""
    @pytest.fixture(scope="module", params=KINDS)
    def pair(request):
        with make(programs_of(request.param)) as cluster:
            yield cluster.servers

    @pytest.fixture(params=["forth", "back"])
    def ways(request, pair):
        return (*(pair if request.param == "forth" else pair[::-1]), request.param)
    return pair, ways


pair, _ = both_ways(lambda programs: Cluster(programs, [], []))


def test_messages_go_both_ways(pair):
    for sender, receiver in (pair, pair[::-1]):
        assert order(sender, "everyone", "from-" + sender.program) == "1"
        receiver.wait_log("KDMQ chat: hello from-%s" % sender.program)
        assert order(sender, "one", "sip:" + receiver.host_port) == "1"
        receiver.wait_log("KDMQ chat: you")


def test_a_third_server_is_known_to_all():
    with Cluster(programs_of("viaduct-kamailio-viaduct"), [], []) as cluster:
        for sender in cluster.servers:
            order(sender, "everyone", "word-of-" + sender.host_port)
            for receiver in cluster.servers:
                if receiver is not sender:
                    receiver.wait_log("KDMQ chat: hello word-of-" + sender.host_port)


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_speak_by_tcp(kind):
    with Cluster(programs_of(kind), [], [], transport="tcp") as cluster:
        first, second = cluster.servers
        for sender, receiver in ((first, second), (second, first)):
            assert order(sender, "everyone", "by-tcp") == "1"
            receiver.wait_log("KDMQ chat: hello by-tcp")
        assert {row["proto"] for row in first.rpc("dmq.list_nodes")} == {"tcp"}
        second.kill()
        order(first, "everyone", "nobody there")
        wait_for(lambda: statuses(first).get(second.host_port) in ("disabled", None), True)
        first.allow("connect|cannot be sent|refused")
