# SPDX-License-Identifier: BSD-2-Clause
"""Other people's user agents through the stock configuration (ours where that is not installed):
sipp for many calls, baresip for a real telephone. Skipped by name where they are not installed."""
import os
import re
import shutil
import subprocess
import time
import wave

import pytest
from sipua import Agent
from sipua.server import ROOT, free_address

STOCK = "/etc/kamailio/kamailio.cfg"
CONFIG = STOCK if os.path.exists(STOCK) else os.path.join(ROOT, "etc", "viaduct.cfg")
SIPP = os.path.join(ROOT, "test", "sip", "sipp")
# INTEROP_CALLS=10000 INTEROP_RATE=200 is the long run.
CALLS = os.environ.get("INTEROP_CALLS", "1000")
RATE = os.environ.get("INTEROP_RATE", "200")


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=program + " is not installed")


@needs("sipp")
@pytest.mark.slow
def test_sipp_calls_without_retransmission_or_failure(server, tmp_path):
    callee = free_address("127.0.0.1")
    registrar = Agent("service", server=server.address)
    registrar.register(contact="<sip:service@%s:%d>" % callee, expires=600)
    registrar.close()
    uas = subprocess.Popen(["sipp", "-sf", SIPP + "/uas.xml", "-i", callee[0], "-p",
                            str(callee[1]), "-nostdin"], cwd=tmp_path,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        caller = free_address("127.0.0.1")
        uac = subprocess.run(["sipp", "-sf", SIPP + "/uac.xml", server.host_port, "-s", "service",
                              "-i", caller[0], "-p", str(caller[1]), "-m", CALLS, "-r", RATE,
                              "-nostdin", "-timeout", "300"], cwd=tmp_path,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    finally:
        uas.terminate()
        uas.wait()
    screen = uac.stdout[uac.stdout.rfind("Scenario Screen"):]
    assert uac.returncode == 0, screen
    # Columns of a row: messages, retransmissions, timeouts, unexpected messages.
    rows = re.findall(r"^\s*(INVITE|ACK|BYE|200)\s+[-<>]+\s+(?:[BE]-RTD1)?\s*(\d+)\s+(\d+)",
                      screen, re.M)
    assert len(rows) == 5, screen
    for name, count, retransmitted in rows:
        assert (count, retransmitted) == (CALLS, "0"), "%s\n%s" % (name, screen)


class Baresip:
    """A baresip process without sound devices, with one account."""

    def __init__(self, directory, user, server, account="", commands=()):
        directory.mkdir()
        modules = next(path for path in ("/usr/lib/baresip/modules",
                                         "/usr/local/lib/baresip/modules") if os.path.isdir(path))
        (directory / "config").write_text(
            "sip_listen 127.0.0.1:0\nnet_interface 127.0.0.1\nmodule_path %s\nmodule g711.so\nmodule aufile.so\n"
            "module_app account.so\nmodule_app menu.so\naudio_source aufile,%s/in.wav\n"
            "audio_player aufile,%s/out.wav\naudio_alert aufile,%s/alert.wav\n"
            % ((modules,) + (directory,) * 3))
        with wave.open(str(directory / "in.wav"), "wb") as silence:
            silence.setnchannels(1)
            silence.setsampwidth(2)
            silence.setframerate(8000)
            silence.writeframes(bytes(16000 * 10))
        (directory / "accounts").write_text("<sip:%s@%s>;regint=600%s\n"
                                            % (user, server.host_port, account))
        (directory / "contacts").write_text("")
        self.log_path = directory / "log"
        command = ["baresip", "-4", "-f", str(directory)]
        for one in commands:
            command += ["-e", one]
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd=directory)

    def wait_for(self, text, timeout=10):
        deadline = time.monotonic() + timeout
        while True:
            log = self.log_path.read_text(errors="replace")
            if text in log:
                return
            assert time.monotonic() < deadline and self.process.poll() is None, \
                "%r did not come:\n%s" % (text, log)
            time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


@needs("baresip")
@pytest.mark.slow
def test_two_baresip_phones_register_and_call(server, tmp_path):
    bob = Baresip(tmp_path / "bob", "barebob", server, ";answermode=auto")
    alice = None
    try:
        bob.wait_for("200 OK")
        alice = Baresip(tmp_path / "alice", "barealice", server,
                        commands=["/dial sip:barebob@" + server.host_port])
        alice.wait_for("200 OK")
        alice.wait_for("Call established")
        bob.wait_for("Call established")
        alice.stop()
        bob.wait_for("session closed")
    finally:
        for phone in filter(None, (alice, bob)):
            if phone.process.poll() is None:
                phone.stop()
