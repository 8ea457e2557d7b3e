# SPDX-License-Identifier: BSD-2-Clause
"""A real file system without room: the journal, the queue of rows, an SQLite database, the log, the pid
file and crash files lie on a small tmpfs in a mount namespace of the test's own. It is said, calls go on,
and when there is room again everything is made good."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from settings import START, head
from soak import figure
from sipua.databases import schema
from sipua.load import Load
from sipua.server import Server, free_address
from tables import wait_for
from test_journal import stop

SCRIPT = """
request_route {
""" + START + """
	xlog("L_NOTICE", "a line for each request, so that something is to be written: $ci $rm $fu\\n");
	if (is_method("REGISTER")) {
		save("location");
		exit;
	}
	NOTE
	sl_send_reply("200", "OK");
}
"""
ROOM = "size=12m"
# In the namespace, because SQLite would follow the link in /proc out of it.
SQL = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=10)
if len(sys.argv) > 2: print(connection.execute(sys.argv[2]).fetchone()[0])
else: connection.executescript(sys.stdin.read())
"""
pytestmark = pytest.mark.viaduct_only("the peer waits for its log")


class Disk:
    """A small file system that lives as long as a process which holds its namespace."""

    def __init__(self, path):
        self.inside = str(path)                          # for the server
        self.holder = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o %s none "$1" && echo ready && exec sleep 600'
             % ROOM, "sh", self.inside], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.works = self.holder.stdout.readline() == b"ready\n"
        self.outside = "/proc/%d/root%s" % (self.holder.pid, self.inside)

    def enter(self, command):
        return ["nsenter", "--preserve-credentials", "-U", "-m", "-t", str(self.holder.pid), "--"] + command

    def sql(self, script):
        subprocess.run(self.enter([sys.executable, "-c", SQL, self.inside + "/test.sqlite"]), check=True,
                       input=script, text=True)

    def count(self, table):
        shown = subprocess.run(self.enter([sys.executable, "-c", SQL, self.inside + "/test.sqlite",
                                           "SELECT COUNT(*) FROM " + table]), capture_output=True, text=True)
        return int(shown.stdout) if shown.returncode == 0 else -1

    def fill(self):
        with open(self.outside + "/filler", "wb", 0) as filler:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError:
                    pass
        room = os.statvfs(self.outside)
        assert room.f_bavail == 0, "there is room"

    def make_room(self):
        os.unlink(self.outside + "/filler")

    def close(self):
        self.holder.kill()
        self.holder.communicate()


class OnDisk(Server):
    """A server in the namespace of the disk; its commands come over TCP."""

    def __init__(self, config, disk, log_is_there=False, rundir_is_there=True, **kwargs):
        self.disk, self.commands = disk, free_address()
        self.log_is_there, self.rundir_is_there = log_is_there, rundir_is_there
        super().__init__(config.replace("request_route", 'modparam("jsonrpcs", "transport", 0)\n'
                                        'modparam("jsonrpcs", "tcp_socket", "tcp:%s:%d")\nrequest_route'
                                        % self.commands, 1), **kwargs)

    def start(self, ping=True):
        if "nsenter" not in self.arguments:
            if self.rundir_is_there:
                os.makedirs(self.disk.outside + "/run", exist_ok=True)
                self.arguments[self.arguments.index("-Y") + 1] = self.disk.inside + "/run"
                self.rundir = self.disk.outside + "/run"
            if self.log_is_there:
                self.log_path = self.disk.outside + "/log"
            self.arguments[self.arguments.index("-P") + 1] = self.disk.inside + "/pid"
            self.arguments = self.disk.enter(self.arguments)
        super().start(ping)

    def rpc(self, method, *parameters, timeout=8.0):
        with socket.create_connection(self.commands, timeout=timeout) as client:
            client.sendall(json.dumps({"jsonrpc": "2.0", "method": method, "id": 1,
                                       "params": list(parameters)}).encode())
            answer = b""
            while not answer.endswith(b"\n"):
                answer += client.recv(65536)
        return json.loads(answer)["result"]


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    made = Disk(path)
    if not made.works:
        made.close()
        pytest.skip("no mount namespace may be made here (unshare -rm)")
    yield made
    made.close()


@pytest.fixture
def started():
    running = []

    def start(*args, **kwargs):
        running.append(OnDisk(*args, **kwargs))
        return running[-1]
    yield start
    for server in running:
        server.stop()


def statistic(server, name):
    found, = server.rpc("stats.get_statistics", name)
    return int(found.split("=")[1])


def config(disk=None):
    settings = {}
    if disk:
        disk.sql(schema("db_sqlite", ("usrloc", "acc")))
        url = '"sqlite:///%s/test.sqlite"' % disk.inside
        settings = dict(usrloc__db_mode=2, usrloc__db_url=url, usrloc__timer_interval=1, usrloc__journal=1,
                        acc__db_url=url)
    return head("jsonrpcs", "acc", *(["db_sqlite"] if disk else []), **settings) + SCRIPT.replace(
        "NOTE", 'acc_db_request("noted", "acc");' if disk else "")


def load(server, kind, calls, done):
    figures = Load(server, kind, calls=calls, window=32, patience=2000).result()
    assert figures["lost"] == figures["wrong"] == 0 and figures["done"] == calls, figures
    done[kind] = done.get(kind, 0) + calls


def test_all_that_is_kept_on_a_full_disk(disk, started):
    server = started(config(disk), disk)
    server.allow("journal of bindings|database|sqlite|disk|queue|full|rows|crash file|killed|successor|repaired|space")
    server.allow("AddressSanitizer")  # it reports the signal that we send
    done = {}
    load(server, "register", 200, done)
    load(server, "options", 50, done)
    wait_for(lambda: disk.count("location") == 200 and disk.count("acc") == 50, server.log)
    disk.fill()
    load(server, "register", 4000, done)
    load(server, "options", 300, done)
    server.wait_log("journal of bindings cannot be written")
    worker, *_ = [row["pid"] for row in server.rpc("core.psa") if row["description"].startswith("worker")]
    os.kill(worker, signal.SIGSEGV)
    server.wait_log("cannot write the crash file")
    load(server, "options", 50, done)
    assert statistic(server, "usrloc:location_contacts") == done["register"]
    assert not [name for name in os.listdir(disk.outside + "/run") if name.startswith("crash-")]
    full = server.log()
    disk.make_room()
    began = time.monotonic()
    server.wait_log("journal of bindings is written again")
    wait_for(lambda: disk.count("acc") == done["options"], server.log)
    wait_for(lambda: disk.count("location") == done["register"], server.log)
    figure("a full disk under journal, queue and database: %d registrations and %d accounted requests served, none "
           "lost; all rows written %.1f s after there was room", done["register"], done["options"],
           time.monotonic() - began)
    assert "full" in full or "No space" in full
    stop(server, "kill")
    server.start()
    assert statistic(server, "usrloc:location_contacts") == done["register"]


def test_the_log_on_a_full_disk(disk, started):
    server = started(config(), disk, log_is_there=True)
    done = {}
    load(server, "options", 100, done)
    disk.fill()
    load(server, "options", 2000, done)
    lost = statistic(server, "core:log_lost")
    assert lost >= 1000
    disk.make_room()
    load(server, "options", 10, done)
    server.wait_log("lines of this process were lost")
    lines = [line for line in server.log().split("\n") if " NOTICE: <script>: a line" in line]
    assert all(line.count(" NOTICE: <script>: a line") == 1 for line in lines)


def test_the_pid_file_on_a_full_disk(disk, started):
    disk.fill()
    server = started(config(), disk, rundir_is_there=False)
    server.allow("cannot write .*pid: No space left on device; make room")
    server.wait_log("cannot write .*pid: No space left on device; make room")
    load(server, "options", 50, {})
    assert not os.path.exists(disk.outside + "/pid")
