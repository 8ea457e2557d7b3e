# SPDX-License-Identifier: BSD-2-Clause
"""What the processes have given up, and how the programs are built."""
import glob
import os
import pwd
import re
import signal
import subprocess
import time

import pytest
from sipua.server import build_dir

CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
auto_aliases=no
children=2
%s
loadmodule "sl.so"
loadmodule "ctl.so"
loadmodule "jsonrpcs.so"
request_route {
	sl_send_reply("200", "Ready");
}
"""
pytestmark = pytest.mark.viaduct_only("the peer keeps what it has")
IS_ASAN = "asan" in build_dir()


def own(field):
    """What this test itself was given, e.g. by a container."""
    with open("/proc/self/status") as file:
        return re.search(r"^%s:\t(\w+)" % field, file.read(), re.MULTILINE).group(1)


def processes(server):
    """Status fields of the supervisor and all that it made; one that just ended has none."""
    pids = [server.process.pid]
    found = []
    for pid in pids:
        try:
            with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
                pids += [int(child) for child in children.read().split()]
            with open("/proc/%d/status" % pid) as status:
                found.append(dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def wait_until_all(server, count):
    deadline = time.monotonic() + 10
    while len(processes(server)) < count:
        assert time.monotonic() < deadline, "not all processes came"
        time.sleep(0.02)
    return processes(server)


def test_capabilities_and_system_calls_are_given_up(start_server, agent):
    server = start_server(CONFIG % "")
    for status in wait_until_all(server, 5):
        assert (status["NoNewPrivs"], int(status["CapEff"], 16), int(status["CapPrm"], 16)) == ("1", 0, 0), status
        assert status["Seccomp"] == (own("Seccomp") if IS_ASAN else "2"), status
    phone = agent("phone", server=server)
    phone.expect_reply(200, phone.send(phone.request("OPTIONS", server.uri("x"))))


def test_a_successor_is_confined_too(start_server):
    server = start_server(CONFIG % "")
    before = wait_until_all(server, 5)
    worker = next(int(one["Pid"]) for one in before if one["Name"] == "viaduct-worker")
    os.kill(worker, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while True:
        now = processes(server)
        is_replaced = len(now) == len(before) and worker not in [int(one["Pid"]) for one in now]
        if is_replaced and all(one["NoNewPrivs"] == "1" and int(one["CapEff"], 16) == 0 for one in now):
            break
        assert time.monotonic() < deadline, now
        time.sleep(0.02)


def test_a_parameter_keeps_them(start_server):
    for status in wait_until_all(start_server(CONFIG % "confinement=0"), 5):
        assert [status[name] for name in ("NoNewPrivs", "Seccomp", "CapEff")] == [
            own(name) for name in ("NoNewPrivs", "Seccomp", "CapEff")]
    for status in wait_until_all(start_server(CONFIG % "confinement=1"), 5):
        assert (status["NoNewPrivs"], status["Seccomp"], int(status["CapEff"], 16)) == ("1", own("Seccomp"), 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_user_is_left(start_server, agent):
    nobody = pwd.getpwnam("nobody")
    text = CONFIG.replace('loadmodule "ctl.so"\nloadmodule "jsonrpcs.so"\n', "")  # the test's directory is root's
    server = start_server(text % 'user="nobody"\ngroup="nogroup"')
    for status in wait_until_all(server, 3):
        assert status["Uid"].split() == [str(nobody.pw_uid)] * 4 and status["Gid"].split() == [str(nobody.pw_gid)] * 4
        assert int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1"
    phone = agent("phone", server=server)
    phone.expect_reply(200, phone.send(phone.request("OPTIONS", server.uri("x"))))


# ---- binaries ----
def binaries():
    found = [os.path.join(build_dir(), "viaduct")] + glob.glob(os.path.join(build_dir(), "modules", "*.so")) + [
        os.path.join(build_dir(), "utils", name) for name in ("kamcmd", "kamctl", "kamdbctl")]
    return sorted(found)


@pytest.mark.parametrize("path", binaries(), ids=os.path.basename)
def test_binaries_are_hardened(path):
    text = subprocess.run(["readelf", "-W", "-h", "-l", "-d", "-n", "--dyn-syms", path], capture_output=True, text=True,
                          check=True).stdout
    assert "Type:                              DYN" in text, "not position-independent"
    assert "GNU_RELRO" in text and "BIND_NOW" in text, "the table of functions can be written"
    assert re.search(r"GNU_STACK .* RW +0x", text), "the stack can be executed"
    if IS_ASAN:
        return
    if os.path.basename(path) == "viaduct":
        assert "__stack_chk_fail" in text and "_chk@" in text, "no stack protector or no fortified functions"
        # Debian's own start files are not, so that the mark of the whole program is lost.
        notes = subprocess.run(["readelf", "-n", os.path.join(build_dir(), "core", "main.o")], capture_output=True,
                               text=True, check=True).stdout
        assert "X86-64" not in text or "IBT, SHSTK" in notes, "not built for control-flow protection"
