# SPDX-License-Identifier: BSD-2-Clause
"""Starts and stops the server under test, or the peer, each on an address of its own.

VIADUCT_BUILD names the build directory (default: build). Nothing is shared between two servers:
address, run directory, log and pid file are new each time, so many tests may run side by side.
"""
import glob
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from .agent import Agent
from .message import text_address

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
START_SECONDS = 30
STOP_SECONDS = 10
TROUBLE = re.compile(r"\b(BUG|CRITICAL|ALERT|ERROR|AddressSanitizer|LeakSanitizer|runtime error)\b")
# What the peer says although nothing is wrong with the test.
# The search for leaks stumbles over threads of libraries now and then.
OUR_NOISE = ("LeakSanitizer has encountered a fatal error", "LeakSanitizer does not work under ptrace")
PEER_NOISE = (r"child process \d+ exited", r"terminating due to SIGCHLD",
              r"receive_fd\(\): EOF")


def build_dir():
    return os.path.join(ROOT, os.environ.get("VIADUCT_BUILD", "build"))


def find_program(name):
    """(binary, module directory) of "viaduct" or "kamailio"; None where it is not there."""
    if name == "viaduct":
        binary = os.path.join(build_dir(), "viaduct")
        return (binary, os.path.join(build_dir(), "modules")) if os.path.exists(binary) else None
    binary = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    modules = glob.glob("/usr/lib/*/kamailio/modules") + glob.glob("/usr/lib/kamailio/modules")
    return (binary, modules[0]) if binary and modules else None


def free_address(host=None):
    """(host, port) that nobody uses; without `host` on a loopback address of its own."""
    while True:
        name = host or "127.%d.%d.%d" % (random.randint(16, 250), random.randint(0, 255),
                                         random.randint(1, 254))
        family = socket.AF_INET6 if ":" in name else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((name, 0))
            port = probe.getsockname()[1]
        if port != 5060:
            return name, port


def is_bound(address):
    """Whether some process has this UDP address open, from /proc/net."""
    host, port = address
    if ":" in host:
        words = socket.inet_pton(socket.AF_INET6, host)
        text = "".join(words[i:i + 4][::-1].hex() for i in range(0, 16, 4)).upper()
        path = "/proc/net/udp6"
    else:
        text, path = socket.inet_aton(host)[::-1].hex().upper(), "/proc/net/udp"
    with open(path) as table:
        return (" %s:%04X " % (text, port)) in table.read()


def stop_all(servers):
    """Stops every server, then raises the first complaint."""
    complaints = []
    for server in servers:
        try:
            server.stop()
        except AssertionError as complaint:
            complaints.append(complaint)
    if complaints:
        raise complaints[0]


class RpcError(Exception):
    """The error object of an RPC answer."""


class Server:
    """One running server. `address` is (host, port); `uri(user)` makes URIs of it."""

    rpc_clients = 0

    def __init__(self, config, program="viaduct", ping=True, arguments=(), ipv6=False,
                 transports=("udp",), without=(), binary=None):
        """`binary` is another build of the server, below the build directory. `config` is the text of a
        configuration, in which @ADDRESS@ is the server's host:port, or the path of a file. With `ping` the
        start waits until an OPTIONS gets an answer (any), else until the socket is bound."""
        found = find_program(program)
        assert found, program + " is not there"
        self.program, (self.binary, self.modules) = program, found
        if binary:
            self.binary = os.path.join(build_dir(), binary)
        self.directory = tempfile.mkdtemp(prefix="vd-")
        self.rundir = os.path.join(self.directory, "run")
        os.mkdir(self.rundir)
        self.log_path = os.path.join(self.directory, "log")
        self.address = free_address()
        self.address6 = free_address("::1") if ipv6 else None
        self.process = None
        self.allowed = list(PEER_NOISE if program == "kamailio" else OUR_NOISE)
        self.wanted = []
        if "\n" in config:
            self.config = os.path.join(self.directory, "test.cfg")
            with open(self.config, "w") as out:
                out.write(config.replace("@ADDRESS@", text_address(self.address)))
        else:
            self.config = config
        self.arguments = [self.binary, "-f", self.config, "-L", self.modules, "-DD", "-E",
                          "-Y", self.rundir, "-P", os.path.join(self.directory, "pid"),
                          "-w", self.directory]
        for address in filter(None, (self.address, self.address6)):
            for transport in transports:
                self.arguments += ["-l", "%s:%s" % (transport, text_address(address))]
        self.arguments = [a for a in self.arguments if a not in without] + list(arguments)
        self.start(ping)

    # ---- names ----
    @property
    def host_port(self):
        return text_address(self.address)

    def uri(self, user=None):
        return "sip:%s%s" % (user + "@" if user else "", self.host_port)

    # ---- life ----
    def start(self, ping=True):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.arguments, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, cwd=self.directory,
                                            start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        addresses = [a for a in (self.address, self.address6) if a]
        while not all(is_bound(a) for a in addresses):
            self.check_alive(deadline, "to listen")
            time.sleep(0.01)
        if ping:
            self.ping(deadline)

    def ping(self, deadline):
        probe = Agent("harness-ready", self.address[0], server=self.address)
        try:
            while True:
                probe.send(probe.request("OPTIONS", self.uri("harness-ready")))
                until = time.monotonic() + 0.25
                while time.monotonic() < until:
                    if probe.read(until - time.monotonic()):
                        return
                self.check_alive(deadline, "to answer")
        finally:
            probe.close()

    def check_alive(self, deadline, what):
        status = self.process.poll()
        if status is None and time.monotonic() < deadline:
            return
        log = self.log()
        self.discard()
        if status is not None:
            raise AssertionError("%s ended with %s:\n%s" % (self.program, status, log))
        raise AssertionError("waited %d s for %s %s:\n%s" % (START_SECONDS, self.program, what, log))

    def kill(self):
        """Ends the process group that we started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def discard(self):
        """Ends the server at once and removes its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def stop(self):
        """Stops the server in order, checks exit status and log, removes its directory."""
        early = self.process.poll()
        if early is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                if self.program == "kamailio":
                    # It may hang when told to stop soon after its start.
                    shutil.rmtree(self.directory, ignore_errors=True)
                    return
                raise AssertionError("%s did not stop within %d s of SIGTERM:\n%s"
                                     % (self.program, STOP_SECONDS, self.log()))
        else:
            raise AssertionError("%s ended by itself with %s:\n%s"
                                 % (self.program, early, self.log()))
        assert self.process.returncode == 0, "%s: exit status %d:\n%s" % (
            self.program, self.process.returncode, self.log())
        trouble = self.trouble()
        assert not trouble, "unexpected lines in the log of %s:\n%s" % (self.program,
                                                                      "\n".join(trouble))
        missing = [w for w in self.wanted if not re.search(w, self.log())]
        assert not missing, "missing in the log of %s: %s\n%s" % (self.program, missing,
                                                                 self.log())
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- RPC ----
    def rpc(self, method, *parameters, timeout=8.0):
        """Result of a command, asked by JSON-RPC on the datagram socket (module jsonrpcs).
        Raises RpcError with the server's error."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            Server.rpc_clients += 1
            name = os.path.join(self.rundir, "client%d" % Server.rpc_clients)
            client.bind(name)
            client.settimeout(timeout)
            try:
                client.sendto(json.dumps({"jsonrpc": "2.0", "method": method, "id": 1,
                                          "params": list(parameters)}).encode(),
                              os.path.join(self.rundir, "kamailio_rpc.sock"))
                answer = json.loads(client.recv(1 << 20))
            finally:
                os.unlink(name)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    # ---- log ----
    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def allow(self, *patterns):
        """Lines of trouble in the log that match one of these are expected."""
        self.allowed += patterns

    def expect_log(self, *patterns):
        """Each of these must be in the log when the server stops (and may be trouble)."""
        self.wanted += patterns
        self.allowed += patterns

    def wait_log(self, pattern, timeout=8.0):
        """Waits until the log holds a match of `pattern`, returns the match."""
        deadline = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.log())
            if match:
                return match
            assert time.monotonic() < deadline, "%r did not come:\n%s" % (pattern, self.log())
            time.sleep(0.01)

    def trouble(self):
        """Lines of the log that nobody expected; the report of a sanitizer from its start to its end."""
        found, in_report = [], False
        for line in self.log().splitlines():
            is_strange = TROUBLE.search(line) and not any(re.search(a, line) for a in self.allowed)
            in_report = (in_report or is_strange and "ERROR: " in line and "Sanitizer" in line) \
                and "SUMMARY" not in line
            if in_report or is_strange:
                found.append(line)
        return found
