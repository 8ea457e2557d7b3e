# SPDX-License-Identifier: BSD-2-Clause
"""Flags, exit statuses, pid file and signals."""
import os
import signal
import subprocess
import time

import pytest
from settings import START, head
from sipua import Agent
from sipua.server import ROOT, find_program

GOOD = head() + 'request_route {' + START + '\tsl_send_reply("404", "First");\n}\n'
STOCK = "/etc/kamailio/kamailio.cfg"


@pytest.fixture
def run(program, tmp_path):
    """Runs the program with arguments; "FILE" stands for a file with the given text."""
    found = find_program(program)
    if not found:
        pytest.skip(program + " is not there")

    def call(*arguments, text=GOOD):
        path = tmp_path / "test.cfg"
        path.write_text(text)
        arguments = [str(path) if a == "FILE" else a for a in arguments]
        return subprocess.run([found[0], "-L", found[1], *arguments], text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return call


def test_good_file_is_accepted(run):
    assert run("-c", "-f", "FILE").returncode == 0


@pytest.mark.skipif(not os.path.exists(STOCK), reason="kamailio.cfg is not installed")
def test_stock_file_is_accepted(run):
    result = run("-c", "-f", STOCK)
    assert result.returncode == 0, result.stdout


def test_our_default_file_is_accepted(run):
    result = run("-c", "-f", os.path.join(ROOT, "etc", "viaduct.cfg"))
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("text", [
    "request_route {\n", GOOD.replace("sl_send_reply", "sl_send_replay"),
    GOOD + "loadmodule \"no_such_module.so\"\n", "nonsense\n", GOOD + "#!ifdef X\n",
    GOOD + 'modparam("tm", "no_such_parameter", 1)\n',
], ids=["brace", "function", "module", "nonsense", "ifdef", "parameter"])
def test_bad_file_ends_with_255(run, text):
    result = run("-c", "-f", "FILE", text=text)
    assert result.returncode == 255, result.stdout
    assert "rror" in result.stdout


def test_missing_file_ends_with_255(run):
    assert run("-c", "-f", "/no/such/file.cfg").returncode == 255


def test_version_is_printed(run):
    result = run("-v")
    assert result.returncode == 0 and "ersion" in result.stdout


def test_help_lists_the_flags(run):
    result = run("-h")
    assert result.returncode == 0
    for flag in ("-f", "-c", "-L", "-D", "-E", "-l", "-m", "-P", "-u", "-g"):
        assert flag in result.stdout


def test_unknown_flag_is_refused(run):
    assert run("-~").returncode == 255


def test_definition_on_the_command_line(run):
    text = "#!ifdef WANTED\n" + GOOD + "#!else\nnonsense\n#!endif\n"
    assert run("-c", "-f", "FILE", text=text).returncode == 255
    assert run("-c", "-A", "WANTED", "-f", "FILE", text=text).returncode == 0


def test_pid_file_names_the_main_process(start_server):
    server = start_server(GOOD)
    with open(os.path.join(server.directory, "pid")) as pid:
        assert int(pid.read()) == server.process.pid


@pytest.mark.viaduct_only("the peer may hang when it is told to stop right after its start")
def test_interrupt_stops_in_order(start_server):
    server = start_server(GOOD)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(10) == 0
    server.start()


@pytest.mark.viaduct_only("the peer may hang when it is told to stop right after its start")
def test_daemon_goes_to_the_background_and_stops(run, tmp_path, program):
    from sipua.message import text_address
    from sipua.server import free_address, is_bound
    address, pid_file = free_address(), tmp_path / "pid"
    (tmp_path / "run").mkdir()
    result = run("-f", "FILE", "-l", "udp:" + text_address(address), "-P", str(pid_file),
                 "-Y", str(tmp_path / "run"), text=GOOD.replace("log_stderror=yes",
                                                                "log_stderror=no"))
    assert result.returncode == 0, result.stdout
    deadline = time.monotonic() + 10
    while not (pid_file.exists() and pid_file.read_text().strip() and is_bound(address)):
        assert time.monotonic() < deadline, result.stdout
        time.sleep(0.02)
    pid = int(pid_file.read_text())
    alice = Agent("alice", server=address)
    alice.expect_reply(404, alice.send(alice.request("OPTIONS", "sip:x@" + alice.domain)))
    alice.close()
    os.kill(pid, signal.SIGTERM)
    while is_bound(address):
        if time.monotonic() > deadline + 10:
            os.kill(pid, signal.SIGKILL)
            raise AssertionError("the daemon did not stop within 10 s of SIGTERM")
        time.sleep(0.02)


def test_port_in_use_is_an_error_that_names_it(run, tmp_path):
    import socket
    from sipua.server import free_address
    host, port = free_address()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((host, port))
        result = run("-DD", "-E", "-f", "FILE", "-l", "udp:%s:%d" % (host, port), "-Y",
                     str(tmp_path))
    assert result.returncode == 255
    assert host in result.stdout or str(port) in result.stdout or "in use" in result.stdout


@pytest.mark.viaduct_only("the peer does not reload its script")
def test_hangup_reloads_the_script(start_server, agent):
    server = start_server(GOOD)
    alice = agent("alice", server=server)
    alice.expect_reply(404, alice.send(alice.request("OPTIONS", "sip:x@" + alice.domain)))
    with open(server.config) as config:
        text = config.read()
    with open(server.config, "w") as config:
        config.write(text.replace('"404", "First"', '"480", "Second"'))
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 10
    while True:
        reply = alice.expect_reply((404, 480), alice.send(
            alice.request("OPTIONS", "sip:x@" + alice.domain)))
        if reply.status == 480:
            break
        assert time.monotonic() < deadline, server.log()
    assert reply.reason == "Second"


@pytest.mark.viaduct_only("the peer does not reload its script")
def test_reload_of_a_bad_script_changes_nothing(start_server, agent):
    server = start_server(GOOD)
    server.allow("rror", "not reloaded", "ERROR")
    alice = agent("alice", server=server)
    with open(server.config, "a") as config:
        config.write("nonsense\n")
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("(?i)error")
    alice.expect_reply(404, alice.send(alice.request("OPTIONS", "sip:x@" + alice.domain)))


CONDITIONAL = """#!KAMAILIO
#!define YES 1
#!ifdef YES
debug=2 # kept
#!ifdef NO
debug=3
#!else
include_file "INCLUDED"
#!endif
#!endif
/* #!ifdef YES */
request_route {
\texit; # "YES"
}
"""
PRINTED = """#!KAMAILIO
#!define YES 1
debug=2 # kept
log_name="included"
/* #!ifdef YES */
request_route {
\texit; # "YES"
}
"""


def test_cfg_print_shows_what_is_in_force(run, tmp_path):
    included = tmp_path / "included.cfg"
    included.write_text('#!ifndef YES\nlog_name="no"\n#!else\nlog_name="included"\n#!endif\n')
    result = run("--cfg-print", "-f", "FILE", text=CONDITIONAL.replace("INCLUDED", str(included)))
    assert result.returncode == 0
    assert [line for line in result.stdout.splitlines() if line] == PRINTED.splitlines()


def test_x_forms_evaluate_variables(run, tmp_path, monkeypatch):
    """loadmodulex, modparamx: names and values with variables that are known at start."""
    monkeypatch.setenv("NAME_OF_MODULE", "xlog")
    monkeypatch.setenv("LEVEL", "42")
    text = head() + ('loadmodulex "$env(NAME_OF_MODULE).so"\n#!ifndef MOD_xlog\nnonsense\n#!endif\n'
                     'modparamx("$env(NAME_OF_MODULE)", "prefix", "<$env(LEVEL)>")\n'
                     'request_route { xlog("$env(LEVEL)"); }\n')
    text = text.replace('loadmodule "xlog.so"', "")
    result = run("-c", "-f", "FILE", text=text)
    assert result.returncode == 0, result.stdout


@pytest.mark.viaduct_only("the peer's messages differ")
def test_x_forms_name_the_bad_variable(run):
    text = head() + 'modparamx("xlog", "prefix", "$nonsense(x)")\nrequest_route { exit; }\n'
    result = run("-c", "-f", "FILE", text=text)
    assert result.returncode == 255
    assert "$nonsense" in result.stdout
