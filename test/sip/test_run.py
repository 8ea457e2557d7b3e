# SPDX-License-Identifier: BSD-2-Clause
"""The script ./run: a demonstration server with two subscribers, who are asked for passwords."""
import os
import re
import signal
import sqlite3
import subprocess
import time

import pytest
from sipua import Phone
from sipua.server import ROOT, find_program, free_address

SECONDS = 60
PHONE = os.path.join(ROOT, "utils", "phone")


@pytest.fixture(scope="module")
def environment(program, tmp_path_factory):
    """A place for what ./run makes; nothing is installed or built."""
    if program != "viaduct":
        pytest.skip("./run starts our server")
    binary, modules = find_program(program)
    return dict(os.environ, SKIP_INSTALL="1", VIADUCT_PROGRAM=binary, VIADUCT_MODULES=modules,
                VIADUCT_VAR=str(tmp_path_factory.mktemp("run of the demo")),
                PORT=str(free_address("127.0.0.1")[1]))


def run(environment, *words):
    return subprocess.run([os.path.join(ROOT, "run"), *words], env=environment, text=True,
                          timeout=SECONDS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class Demo:
    """./run in the foreground, its banner and what that says."""

    def __init__(self, environment):
        self.started = time.monotonic()
        self.process = subprocess.Popen([os.path.join(ROOT, "run")], env=environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True)
        self.banner = ""
        for line in self.process.stdout:
            self.banner += line
            if "Ctrl-C" in line:
                break
        self.seconds = time.monotonic() - self.started
        self.passwords = dict(re.findall(r"user +(\d+) +password (\w+)", self.banner))

    @property
    def address(self):
        host, port = re.search(r"listens +udp ([\d.]+):(\d+)", self.banner).groups()
        return host, int(port)

    def command(self, word):
        """The words of the command line that the banner tells for "register" or "call"."""
        found = re.search(r"^ +%s +utils/phone (.*)$" % word, self.banner, re.MULTILINE)
        assert found, self.banner
        return [PHONE, *found.group(1).split()]

    def stop(self):
        """Ctrl-C; what came after the banner."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        return self.process.communicate(timeout=SECONDS)[0]


@pytest.fixture
def demo(environment):
    one = Demo(environment)
    yield one
    one.stop()


def test_call_registers_and_calls_with_passwords(environment):
    done = run(environment, "call")
    assert done.returncode == 0, done.stdout
    for step in ("401 Unauthorized (REGISTER)", "200 OK (REGISTER)", "(INVITE)", "180 Ringing (INVITE)",
                 "200 OK (INVITE)", "200 OK (BYE)", "1001 called 1002: answered after"):
        assert step in done.stdout, done.stdout
    assert "407 Proxy" in done.stdout


def test_second_start_is_quick_and_keeps_the_passwords(environment):
    first, second = Demo(environment), None
    try:
        said = first.stop()
        second = Demo(environment)
    finally:
        first.stop()
        if second:
            second.stop()
    assert "stopped" in said and first.process.returncode == 0
    assert len(first.passwords) == 2 and all(len(p) >= 12 for p in first.passwords.values())
    assert len(set(first.passwords.values())) == 2
    assert second.passwords == first.passwords
    # Measured: 0.4 s. The limit bears machines that do ten other things at the same time.
    assert second.seconds < 10


def test_passwords_are_private_and_hashed_for_the_server(environment, demo):
    path = os.path.join(environment["VIADUCT_VAR"], "viaduct.db")
    assert os.stat(path).st_mode & 0o077 == 0
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT username, password, length(ha1), length(ha1b), ha1 = ha1b"
                                " FROM subscriber ORDER BY username").fetchall()
    assert rows == [(user, demo.passwords[user], 32, 32, 0) for user in ("1001", "1002")]
    with open(os.path.join(environment["VIADUCT_VAR"], "viaduct.log")) as log:
        text = log.read()
    assert not [p for p in demo.passwords.values() if p in text]


def test_nobody_gets_in_without_the_password(demo):
    phone = Phone("1001", "wrong", demo.address)
    try:
        phone.sign_in((401,))
        phone.password = demo.passwords["1001"]
        phone.sign_in((200,))
        invite = phone.invite(phone.aor.replace("1001", "1002"))
        phone.expect_reply(407, invite)
        phone.user = "1002"                         # with the credentials of 1001
        phone.sign_in((401,))
    finally:
        phone.close()


def test_command_lines_of_the_banner_work(environment, demo):
    callee = subprocess.Popen(demo.command("register"), text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=dict(environment, PYTHONUNBUFFERED="1"))
    try:
        said = ""
        while "registered as" not in said:
            line = callee.stdout.readline()
            assert line, "the telephone ended: " + said
            said += line
        call = subprocess.run(demo.command("call") + ["--seconds", "0.1"], text=True, timeout=SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert call.returncode == 0 and "200 OK" in call.stdout and "hung up" in call.stdout, call.stdout
    finally:
        callee.terminate()
        callee.communicate()


def test_wrong_password_of_the_telephone_is_told(demo):
    words = demo.command("register")
    words[words.index("--password") + 1] = "wrong"
    done = subprocess.run(words, text=True, timeout=SECONDS, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert done.returncode == 1
    assert "401" in done.stdout and "password" in done.stdout and "Traceback" not in done.stdout


def test_second_server_in_the_same_place_is_refused(environment, demo):
    done = run(environment)
    assert done.returncode == 1 and "running already at" in done.stdout


def test_call_goes_through_the_running_server(environment, demo):
    done = run(environment, "call")
    assert done.returncode == 0, done.stdout
    assert "calling through the server at %s:%d" % demo.address in done.stdout
