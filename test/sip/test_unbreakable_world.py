# SPDX-License-Identifier: BSD-2-Clause
"""The world around the server fails: nobody reads the log, the disk is full, descriptors or shared
memory run out. SIP goes on, what is wrong is said, and it is over when the cause is gone."""
import os
import resource
import socket
import subprocess
import time

import pytest
from settings import PROXY, RELAY, START, head
from soak import figure
from sipua.load import Load
from sipua.server import Server, build_dir, is_bound

TALK = """
	xlog("L_NOTICE", "a line of some length for each request, so that a pipe is full soon: $ci $fu $tu $rm $ua\\n");
	sl_send_reply("200", "OK");
"""
TALKING = head("jsonrpcs") + "request_route {\n" + START + TALK + "}\n"
PROXYING = head("jsonrpcs", "ctl", registrar__min_expires=1) + PROXY + RELAY
ALLOWED = [r"lines of this process were lost", r"shared memory|no memory|out of memory",
           r"[Tt]oo many open files|descriptors"]
pytestmark = pytest.mark.viaduct_only("the peer waits for whoever reads its log")


def statistic(server, name):
    found, = server.rpc("stats.get_statistics", "core:" + name)
    return int(found.split("=")[1])


def wait_for(condition, what, timeout=8):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited for " + what
        time.sleep(0.01)


class WithStderr(Server):
    """A server whose stderr is what the test wants."""

    def __init__(self, config, stderr):
        self.stderr = stderr
        super().__init__(config)

    def start(self, ping=True):
        open(self.log_path, "a").close()
        self.process = subprocess.Popen(self.arguments, stdout=subprocess.DEVNULL,
                                        stderr=self.stderr, stdin=subprocess.DEVNULL,
                                        cwd=self.directory, start_new_session=True)
        deadline = time.monotonic() + 30
        while not is_bound(self.address):
            self.check_alive(deadline, "to listen")
            time.sleep(0.01)
        self.ping(deadline)


def talk(server):
    """Two thousand requests, each with a line in the log."""
    figures = Load(server, "options", calls=2000, window=32).result()
    assert figures["lost"] == figures["wrong"] == 0, figures
    return figures["p99_us"] / 1000


def test_nobody_reads_the_pipe_behind_stderr(program):
    reader, writer = os.pipe()
    server = WithStderr(TALKING, writer)
    os.close(writer)
    try:
        slow_ms = talk(server)
        lost = statistic(server, "log_lost")
        figure("nobody reads the log's pipe: 2,000 of 2,000 requests answered (99 %% within %.1f ms), %d lines "
               "counted as lost", slow_ms, lost)
        assert 500 < lost < 2000
        os.set_blocking(reader, False)
        while len(os.read(reader, 65536)) == 65536:
            pass
        talk_to = Load(server, "options", calls=50, window=1).result()
        assert talk_to["done"] == 50
        text = os.read(reader, 65536).decode()
        assert "lines of this process were lost, because nobody read them" in text
        assert all(" of some length " in line or "were lost" in line
                   for line in text.splitlines()), text     # lines are whole
        server.stop()
    finally:
        server.discard()
        os.close(reader)


def test_nobody_reads_the_socket_of_the_system_log(start_server, tmp_path):
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(path)
        server = start_server(TALKING.replace("log_stderror=yes", 'log_stderror=no\nlog_name="sip"\n'
                                              'log_facility="LOG_LOCAL3"\nlog_socket="%s"' % path)
                              , without=("-E",))
        talk(server)
        lost = statistic(server, "log_lost")
        assert 1500 < lost
        log.settimeout(8)
        lines = [log.recv(65536)]
        assert lines[0].startswith(b"<157>") and b" sip[" in lines[0]
        log.setblocking(False)
        try:
            while True:
                lines.append(log.recv(65536))
        except BlockingIOError:
            pass
        log.settimeout(8)
        Load(server, "options", calls=10, window=1).result()
        assert any(b"were lost" in log.recv(65536) for _ in range(12))


def test_the_disk_of_the_log_is_full(program):
    with open("/dev/full", "w") as full:
        server = WithStderr(TALKING, full)
    try:
        slow_ms = talk(server)
        lost = statistic(server, "log_lost")
        figure("the log's disk is full: 2,000 of 2,000 requests answered (99 %% within %.1f ms), %d lines "
               "counted as lost", slow_ms, lost)
        assert lost >= 2000
        server.stop()
    finally:
        server.discard()


def test_descriptors_run_out_and_come_back(start_server, agent):
    server = start_server(PROXYING)
    wait_for(lambda: all(row["status"] for row in server.rpc("core.psa")), "all processes")
    pids = [row["pid"] for row in server.rpc("core.psa") if row["pid"] != server.process.pid]
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids}
    for pid in pids:
        used = max(int(name) for name in os.listdir("/proc/%d/fd" % pid)) + 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, limits[pid][1]))
    alice, bob = agent("alice", server), agent("bob", server)
    bob.register()
    clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for client in clients:
        client.connect(os.path.join(server.rundir, "kamailio_ctl"))
    server.wait_log("Too many open files")
    request = alice.send(alice.request("MESSAGE", bob.aor))
    bob.reply(bob.expect_request("MESSAGE"), 200)   # what needs none goes on
    alice.expect_reply(200, request)
    before = [cpu_seconds(pid) for pid in pids]
    for client in clients:
        client.settimeout(8)
        assert client.recv(1) == b""                # refused at once
        client.close()
    time.sleep(0.2)                                 # who spins would do it now
    for pid, used in zip(pids, before):
        assert cpu_seconds(pid) - used < 0.1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits[pid])
    tool = os.path.join(build_dir(), "utils", "kamcmd")
    assert subprocess.run([tool, "-s", "unix:" + os.path.join(server.rundir, "kamailio_ctl"),
                           "core.uptime"], stdout=subprocess.DEVNULL).returncode == 0


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as stat:
        words = stat.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_shared_memory_at_its_limit_means_503_and_recovery(start_server, agent):
    server = start_server(PROXYING,
                          arguments=["-m", "8"])
    alice, bob = agent("alice", server), agent("bob", server)
    bob.register()
    # They must live until the memory is full, however slow this machine is just now.
    begun, number, refused, seconds = time.monotonic(), 0, None, 60
    while not refused:
        number += 1
        assert number < 60000, "8 MB never end"
        if number == 200:
            seconds = 2 + int((time.monotonic() - begun) * 40)
        user = agent_message(alice, server, number, seconds)
        alice.send(user)
        reply = alice.expect_reply((200, 503, 500), user)
        refused = reply if reply.status != 200 else None
    assert refused.status == 503 and int(refused["Retry-After"]) > 0
    server.wait_log("shared memory is short")
    full = time.monotonic()
    server.wait_log("there is enough shared memory again", timeout=20 + seconds)
    figure("shared memory of 8 MB full after %d registrations: 503 with Retry-After; work again %.1f s later "
           "(they live for %d s)", number, time.monotonic() - full, seconds)
    again = alice.send(agent_message(alice, server, number + 1, seconds))
    alice.expect_reply(200, again)


def agent_message(agent, server, number, seconds):
    return agent.request("REGISTER", "sip:" + server.host_port, headers=[("Expires", str(seconds))],
                         to="<sip:user%d@%s>" % (number, server.host_port),
                         contact="<sip:user%d@%s;pad=%s>" % (number, agent.host_port, "y" * 400))
