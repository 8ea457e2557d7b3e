# SPDX-License-Identifier: BSD-2-Clause
"""kamcmd on control sockets: ours, and Debian's where it is installed, print the same."""
import os
import re
import shutil
import socket
import subprocess

import pytest
from sipua.server import build_dir, free_address

DEBIAN = shutil.which("kamcmd") or shutil.which("kamcmd", path="/usr/sbin:/usr/local/sbin")
OURS = os.path.join(build_dir(), "utils", "kamcmd")
TCP, UDP = free_address(), free_address()
CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
auto_aliases=no
children=2
loadmodule "sl.so"
loadmodule "ctl.so"
modparam("ctl", "binrpc", "unix:kamailio_ctl")
modparam("ctl", "binrpc", "unixd:datagrams")
modparam("ctl", "binrpc", "udp:%s:%d")
modparam("ctl", "binrpc", "tcp:%s:%d")
request_route { sl_send_reply("200", "Ready"); }
""" % (UDP + TCP)


@pytest.fixture(params=["ours", "debian"])
def kamcmd(request, server):
    """Runs a kamcmd on the unix socket: (exit code, output, errors)."""
    program = OURS if request.param == "ours" else DEBIAN
    if not program or not os.path.exists(program):
        pytest.skip("no kamcmd: " + request.param)

    def run(*words, at=None, given=""):
        at = at or "unix:" + os.path.join(server.rundir, "kamailio_ctl")
        done = subprocess.run([program, "-D", server.directory, "-s", at, *words], input=given,
                              capture_output=True, text=True, timeout=20)
        return done.returncode, done.stdout, done.stderr
    run.program = request.param
    return run


def ctl(server, name="kamailio_ctl"):
    return os.path.join(server.rundir, name)


def test_values_stand_on_lines(kamcmd):
    assert kamcmd("core.echo", "a", "12", "s:007", "s:") == (0, "a\n12\n007\n\n", "")


def test_negative_numbers_stand_behind_two_dashes(kamcmd):
    assert kamcmd("core.printi", "--", "-5", "2147483647") == (0, "-5\n2147483647\n", "")


def test_structures_are_indented(kamcmd):
    code, out, _ = kamcmd("core.uptime")
    assert code == 0
    assert re.fullmatch(r"\{\n\tnow: .*\n\tup_since: .*\n\tuptime: \d+\n\}\n", out)
    code, out, _ = kamcmd("core.sockets_list")
    assert out.startswith("{\n\tsocket: {\n\t\tproto: udp\n") and out.endswith("\n\t}\n}\n")


def test_formats_are_filled_again_and_again(kamcmd, server):
    _, out, _ = kamcmd("-f", r"%v is %v (%%v)\n", "core.ps")
    lines = out.splitlines()
    assert len(lines) > 2 and lines[0].startswith(str(server.process.pid) + " is ")
    assert all(line.endswith(" (%v)") for line in lines)


def test_aliases_have_formats(kamcmd, server):
    _, out, _ = kamcmd("ps")
    assert out.splitlines()[0].split("\t")[0] == str(server.process.pid)
    _, out, _ = kamcmd("listen")
    assert out == ("[binrpc] unix_stream: %s \n[binrpc] unix_dgram: %s \n[binrpc] udp: %s %d\n"
                   "[binrpc] tcp: %s %d\n" % ((ctl(server), ctl(server, "datagrams")) + UDP + TCP))
    _, out, _ = kamcmd("who")
    assert "[binrpc] unix_stream: <anonymous unix socket>  -> %s \n" % ctl(server) in out


def test_every_transport_answers(kamcmd, server):
    _, version, _ = kamcmd("version")
    for at in ("unixd:" + ctl(server, "datagrams"), "udp:%s:%d" % UDP, "tcp:%s:%d" % TCP, ctl(server)):
        assert kamcmd("core.version", at=at) == (0, version, "")


def test_faults_are_printed(kamcmd):
    code, out, _ = kamcmd("no.such")
    assert out == "error: 500 - command no.such not found\n"
    assert code == (1 if kamcmd.program == "ours" else 0)


def test_a_missing_server_is_explained(kamcmd, server):
    code, out, errors = kamcmd("ps", at="unix:" + ctl(server, "nobody"))
    assert (code, out) == (255, "")
    assert "ERROR: connect_unix_sock: connect(%s): No such file or directory [2]" % ctl(server, "nobody") in errors
    if kamcmd.program == "ours":
        assert "Is the server running" in errors


def test_all_commands_are_listed(kamcmd):
    code, out, _ = kamcmd("help")
    names = out.split("alias: ")[0].split()
    assert code == 0 and names == sorted(names) and "ctl.who" in names
    assert "builtin: quit\n" in out
    assert kamcmd("help", "core.kill")[1].strip()


def test_commands_are_read_from_standard_input(kamcmd):
    code, out, _ = kamcmd(given="core.echo abc\nno.such\nquit\n")
    assert code == 0
    assert "abc\n" in out and "error: 500 - command no.such not found\n" in out


def frame(body, cookie=b"\x05"):
    return b"\xa1" + bytes([1 << 2 | len(cookie) - 1]) + len(body).to_bytes(2, "big") + cookie + body


ECHO = b"\x91\x0acore.echo\0\x21x\0"
ANSWER = b"\xa1\x10\x03\x05\x21x\0"


def read(client, count):
    got = b""
    while len(got) < count:
        part = client.recv(count - len(got))
        assert part, got
        got += part
    return got


@pytest.fixture
def raw(server):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(ctl(server))
        client.settimeout(10)
        yield client


def test_requests_may_come_byte_by_byte(raw, server):
    """Between two bytes another client is answered, so that each byte is read alone."""
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(ctl(server))
        other.settimeout(10)
        for byte in frame(ECHO):
            raw.send(bytes([byte]))
            other.send(frame(ECHO))
            assert read(other, len(ANSWER)) == ANSWER
    assert read(raw, len(ANSWER)) == ANSWER


def test_requests_may_come_together(raw):
    raw.send(frame(ECHO) * 50)
    assert read(raw, 50 * len(ANSWER)) == ANSWER * 50


def test_damaged_frames_end_the_connection(raw):
    raw.send(b"\xb1\x00\x00\x01")
    assert raw.recv(4096).endswith(b"bad request: corrupted packet\0")
    assert raw.recv(1) == b""


def test_large_frames_are_refused(raw):
    raw.send(b"\xa1\x0c\xff\xff\xff\xff\x01")
    assert raw.recv(4096).endswith(b"bad request: corrupted packet\0")


def test_one_that_does_not_read_holds_up_nobody(raw, server, kamcmd):
    """Answers of megabytes fill the buffers of a client that only asks."""
    text = b"x" * 60000
    value = b"\xa1" + (len(text) + 1).to_bytes(2, "big") + text + b"\0"
    raw.setblocking(False)
    try:
        for _ in range(200):
            raw.send(frame(b"\x91\x0acore.echo\0" + value))
    except BlockingIOError:
        pass
    assert kamcmd("core.echo", "x") == (0, "x\n", "")


def test_many_clients_are_served(server):
    clients = []
    try:
        for _ in range(100):
            clients.append(socket.socket(socket.AF_UNIX))
            clients[-1].connect(ctl(server))
            clients[-1].settimeout(10)
        for client in clients:
            client.send(frame(ECHO))
        for client in clients:
            assert read(client, len(ANSWER)) == ANSWER
    finally:
        for client in clients:
            client.close()


def test_sockets_are_private_and_go_with_the_server(start_server):
    server = start_server(CONFIG.replace("modparam", "#modparam"))
    path = ctl(server)
    assert os.stat(path).st_mode & 0o777 == 0o600
    server.process.terminate()
    server.process.wait(10)
    assert not os.path.exists(path)
    server.start()
    assert os.path.exists(path)
