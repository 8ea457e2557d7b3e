# SPDX-License-Identifier: BSD-2-Clause
"""A process of the running server dies at each crash point of the operations on shared memory in turn,
mostly while it holds a lock: what it left is repaired, the checker finds nothing wrong, no binding is
lost, and what comes next is served. The server is a build with crash points (core/shm/crash.h)."""
import ctypes
import mmap
import os
import random
import socket
import subprocess
import time

import pytest
from settings import PROXY, RELAY, START, head
from soak import SOAK, figure
from sipua.load import Load
from sipua.message import Message
from sipua.server import ROOT, RpcError, build_dir

BINARY = "crash/viaduct"
USERS = 40
CONFIG = head("jsonrpcs", "ctl", "htable", usrloc__timer_interval=1, usrloc__hash_size=2,
              registrar__min_expires=1, registrar__default_expires=2, tm__wt_timer=100,
              htable__htable='"t=>size=4;autoexpire=1;"').replace("disable_tcp=yes", "tcp_children=2") \
    + PROXY.replace(START, START + """
	$sht(t=>$ci) = $cs;
	$sht(t=>last) = $ci + $ft;
	$sht(t=>n) = $cs;
	$shv(last) = $ci;
	if (is_method("REGISTER") && $fU =~ "^u") {
		remove_hf("Expires");                   # bindings that end soon
		msg_apply_changes();
	}
	if (is_method("OPTIONS") && uri == myself) {
		$sht(t=>$ci) = $null;
		sl_send_reply("200", "OK");
		exit;
	}
	if (is_method("INVITE|ACK|BYE|OPTIONS") && !(uri == myself) && $rd == "127.0.0.1") {
		if (is_method("INVITE")) record_route();
		if (has_totag()) loose_route();
		t_relay();
		exit;
	}
""") + RELAY
ALLOWED = [r"was killed by signal|shard \d+ was repaired|was repaired"]
# Where only a process that repairs passes; test/unit/shm/repair_test.c kills it there.
REPAIRS = ("repair: ", "slot lost", "slot restored")
pytestmark = pytest.mark.viaduct_only("the crash points are ours (core/shm/crash.h)")


class Plan:
    """The file that the server follows; struct crash_plan."""

    class Layout(ctypes.Structure):
        NAME, NAMES = 48, 128
        _fields_ = [("countdown", ctypes.c_int64), ("deaths", ctypes.c_uint32),
                    ("is_recording", ctypes.c_uint32), ("name_count", ctypes.c_uint32),
                    ("only", ctypes.c_char * NAME), ("last", ctypes.c_char * NAME),
                    ("left_out", ctypes.c_char * NAME), ("names", (ctypes.c_char * NAME) * NAMES)]

    def __init__(self, path):
        size = -(-ctypes.sizeof(self.Layout) // 4096) * 4096
        with open(path, "wb") as out:
            out.write(bytes(size))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), size)
        self.at = self.Layout.from_buffer(self.map)

    def names(self):
        return sorted({bytes(name.value).decode() for name in self.at.names[:self.at.name_count]})

    def kill_at(self, name, nth):
        self.at.only = name.encode()
        self.at.countdown = nth

    def spare(self):
        self.at.countdown = 0


class Phones:
    """Many users on one socket who register again and again until they are answered."""

    def __init__(self, server, count):
        self.server, self.count, self.cseq = server, count, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def request(self, user):
        return ("REGISTER sip:%(server)s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%(port)d;rport;branch=z9hG4bK%(cseq)d-%(user)d\r\n"
                "From: <sip:p%(user)d@%(server)s>;tag=%(user)d\r\nTo: <sip:p%(user)d@%(server)s>\r\n"
                "Call-ID: phone-%(user)d\r\nCSeq: %(cseq)d REGISTER\r\nMax-Forwards: 70\r\n"
                "Contact: <sip:p%(user)d@127.0.0.1:%(port)d>;expires=3600\r\n"
                "User-Agent: phone %(cseq)d\r\nContent-Length: 0\r\n\r\n" % {
                    "server": self.server.host_port, "port": self.port, "cseq": self.cseq,
                    "user": user}).encode()

    def register(self):
        self.cseq += 1
        missing, deadline = set(range(self.count)), time.monotonic() + 15
        while missing:
            assert time.monotonic() < deadline, "%d phones are not answered" % len(missing)
            for user in missing:
                self.socket.sendto(self.request(user), self.server.address)
            self.socket.settimeout(0.2)
            try:
                while missing:
                    reply = Message.parse(self.socket.recv(65536))
                    if reply.cseq[0] == self.cseq:
                        assert reply.status == 200, reply.status
                        missing.discard(int(reply.call_id.split("-")[1]))
            except socket.timeout:
                pass

    def assert_all_are_registered(self):
        for user in range(self.count):
            self.server.rpc("ul.lookup", "location", "p%d" % user)

    def close(self):
        self.socket.close()


def heard(caller):
    """The statuses that have come; the server refuses new work when it falls behind."""
    while caller.read(0):
        pass
    return [message.status for message in caller.inbox if not message.is_request]


def tcp_traffic(server, stream_agent, agent, patience=0.5):
    """Requests to a phone behind TCP, while both workers are busy, so that each gets some: the one that has
    the connection gets the other's by mail."""
    load = Load(server, "options", calls=600, window=64, patience=250)
    phone, callers = stream_agent("tcp", server), [agent("caller", server) for _ in range(6)]
    try:
        phone.register(expires=2)
        for caller in callers:
            caller.send(caller.request("MESSAGE", phone.aor, body="x" * 400, content_type="text/plain"))
        for _ in callers:
            phone.reply(phone.expect_request("MESSAGE", timeout=patience), 200)
        return "all arrived"
    except (AssertionError, ConnectionError) as complaint:
        # Its connection's owner died, or the server has too much to do.
        return "%s; the callers heard %s" % (complaint, [heard(caller) for caller in callers])
    finally:
        for one in [phone] + callers:
            one.close()
        load.result()


def traffic(server, phones, plan, more):
    """A bit of everything; ends early when somebody died."""
    before = plan.at.deaths
    phones.register()
    for kind, calls, window in (("register", 200, 200), ("call", 20, 20), ("options", 50, 50)):
        if plan.at.deaths != before:
            return
        figures = Load(server, kind, calls=calls, window=window, ring=0, patience=250).result()
        assert figures["wrong"] == 0, figures
        # What the dead one was working on may be lost to callers who have heard a 100.
        assert figures["lost"] == 0 or plan.at.deaths != before, figures
    if plan.at.deaths == before:
        more()


def all_alive(server, count):
    try:
        pids = [row["pid"] for row in server.rpc("core.psa")]
    except (RpcError, OSError):
        return False
    return len(pids) == count and all(pid and is_alive(pid) for pid in pids)


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition, what):
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


@pytest.fixture
def plan(tmp_path, monkeypatch):
    binary, usual = os.path.join(build_dir(), BINARY), os.path.join(build_dir(), "viaduct")
    if not os.path.exists(binary) or os.path.getmtime(binary) < os.path.getmtime(usual):
        folder = os.path.relpath(build_dir(), ROOT)
        subprocess.run(["make", "-C", ROOT, "O=" + folder, "BUILD=" + (folder.partition("-")[2] or "release"),
                        folder + "/" + BINARY], check=True, stdout=subprocess.DEVNULL)
        os.utime(binary)
    monkeypatch.setenv("VIADUCT_CRASH_PLAN", str(tmp_path / "plan"))
    return Plan(tmp_path / "plan")


def points_of(server, phones, plan, more):
    """The crash points that the traffic passes."""
    plan.at.is_recording = 1
    for _ in range(2):
        traffic(server, phones, plan, more)
    deadline = time.monotonic() + 20
    while not any(name.startswith("mail") for name in plan.names()) and time.monotonic() < deadline:
        more()
    wait_until(lambda: "timer moved down" in plan.names() or not SOAK, "timers")
    plan.at.is_recording = 0
    names = [name for name in plan.names() if not name.startswith(REPAIRS)]
    for room in ("slot", "block", "page", "timer", "segment", "mail"):
        assert any(name.startswith(room) for name in names), room
    return names


def test_a_death_at_each_crash_point(plan, start_server, stream_agent, agent):
    server = start_server(CONFIG, binary=BINARY, transports=("udp", "tcp"))
    phones = Phones(server, USERS)
    count = len(server.rpc("core.psa"))
    more = lambda: tcp_traffic(server, stream_agent, agent)     # noqa: E731
    names, deaths = points_of(server, phones, plan, more), {}
    for turn in ((1, 7, 40) if SOAK else (1,)):
        for name in names if SOAK else random.sample(names, len(names) // 2):
            died = plan.at.deaths
            plan.kill_at(name, turn)
            for _ in range(12 if name.startswith("mail") else 2 + 2 * turn):
                if name.startswith("mail"):
                    more()
                else:
                    traffic(server, phones, plan, more)
                if plan.at.deaths != died:
                    break
            plan.spare()
            deaths[name] = deaths.get(name, 0) + plan.at.deaths - died
            wait_until(lambda: all_alive(server, count), "all processes after a death at " + name)
            assert server.rpc("core.shm_check") == 0, name
            phones.assert_all_are_registered()
    died_at = [name for name in names if deaths.get(name)]
    figure("deaths at %d of %d crash points of a running server, %d in all: repaired, nothing found by "
           "the checker, no binding lost; not met again: %s", len(died_at), len(names),
           plan.at.deaths, ", ".join(sorted(set(deaths) - set(died_at))) or "none")
    assert len(died_at) >= (30 if SOAK else 12), names
    traffic(server, phones, plan, more)             # nothing of it is lost
    tries = []                                      # new work is refused while a busy machine falls behind
    while "all arrived" not in tries:
        assert len(tries) < 8, tries
        tries.append(tcp_traffic(server, stream_agent, agent, patience=2))
    assert server.rpc("core.shm_check") == 0
    phones.close()
