# SPDX-License-Identifier: BSD-2-Clause
"""Streams and files that give and take a part of what was asked for, are interrupted, or must be
waited for: whatever goes through them arrives whole. test/helpers/short_io.c does it to the server."""
import glob
import http.client
import json
import os
import re
import select
import socket
import subprocess
import time

import pytest
from settings import PROXY, RELAY, head
from soak import SOAK
from sipua.load import Load
from sipua.preload import helper
from sipua.server import build_dir, free_address
from tables import Sqlite, wait_for
from test_journal import stop

RATES = ["60:0:0", "0:25:25", "40:10:20"] if SOAK else ["40:10:20"]
EVENTS = """
event_route[xhttp:request] {
	if ($hu =~ "^/RPC") jsonrpc_dispatch();
	else xhttp_reply("200", "OK", "text/plain", "$rb");
}
"""
pytestmark = [
    pytest.mark.viaduct_only("the peer is not ours to mend"),
    pytest.mark.skipif("asan" in os.environ.get("VIADUCT_BUILD", ""), reason="preloads a library")]


@pytest.fixture(params=RATES)
def short(request, monkeypatch):
    """Servers started now have bad streams and files."""
    monkeypatch.setenv("LD_PRELOAD", helper("short_io"))
    monkeypatch.setenv("SHORT_IO", request.param)
    return request.param


def config(*modules, main=PROXY + RELAY, **settings):
    return head("ctl", "jsonrpcs", *modules, **settings).replace(
        "disable_tcp=yes", "tcp_accept_no_cl=yes") + main


@pytest.fixture
def server(start_server, short, monkeypatch, tcp):
    made = start_server(config("xhttp", jsonrpcs__transport=0, jsonrpcs__tcp_socket='"tcp:%s:%d"' % tcp)
                        + EVENTS, transports=("udp", "tcp"))
    monkeypatch.delenv("LD_PRELOAD")
    return made


@pytest.fixture
def tcp():
    return free_address()


def bodies():
    return ["".join(chr(97 + (i * k) % 26) for i in range(100 + 700 * k)) for k in range(1, 12)]


def test_messages_over_tcp(server, agent, stream_agent):
    alice, phone = agent("alice", server), stream_agent("phone", server)
    bob, other = agent("bob", server), stream_agent("other", server)
    phone.register()
    bob.register()
    for body in bodies():
        request = alice.send(alice.request("MESSAGE", phone.aor, body=body, content_type="text/plain"))
        incoming = phone.expect_request("MESSAGE")
        assert incoming.body.decode() == body
        phone.reply(incoming, 200, body=body)
        assert alice.expect_reply(200, request).body.decode() == body
    for body in bodies():                               # and from a stream
        request = other.send(other.request("MESSAGE", bob.aor, body=body, content_type="text/plain"))
        incoming = bob.expect_request("MESSAGE")
        assert incoming.body.decode() == body
        bob.reply(incoming, 200)
        other.expect_reply(200, request)


def test_http(server):
    web = http.client.HTTPConnection(*server.address, timeout=20)
    for body in bodies():
        web.request("POST", "/echo", body)
        assert web.getresponse().read().decode() == body
    web.request("POST", "/RPC", json.dumps({"jsonrpc": "2.0", "method": "core.echo", "params": bodies(), "id": 1}))
    assert json.loads(web.getresponse().read())["result"] == bodies()
    web.close()


def test_commands(server, tcp):
    texts = bodies()
    ask = json.dumps({"jsonrpc": "2.0", "method": "core.echo", "params": texts, "id": 1}).encode()
    for _ in range(5):
        assert server.rpc("core.echo", *texts) == texts
        with socket.create_connection(tcp, timeout=20) as client:
            client.sendall(ask)
            answer = b""
            while not answer.endswith(b"\n"):
                answer += client.recv(65536)
            assert json.loads(answer)["result"] == texts
        shown = subprocess.run([os.path.join(build_dir(), "utils", "kamcmd"), "-s", "unix:" + os.path.join(
            server.rundir, "kamailio_ctl"), "core.echo"] + texts, capture_output=True, timeout=20)
        assert all(text in shown.stdout.decode() for text in texts), shown.stderr


def test_kamcmd_itself(server, short, monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", helper("short_io"))
    for _ in range(5):
        shown = subprocess.run([os.path.join(build_dir(), "utils", "kamcmd"), "-s", "unix:" + os.path.join(
            server.rundir, "kamailio_ctl"), "core.echo"] + bodies(), capture_output=True, timeout=20)
        assert all(text in shown.stdout.decode() for text in bodies()), shown.stderr


def test_the_fifo(server):
    name = "short%d" % os.getpid()
    os.mkfifo("/tmp/" + name)
    reader = os.open("/tmp/" + name, os.O_RDWR | os.O_NONBLOCK)
    writer = os.open(os.path.join(server.rundir, "kamailio_rpc.fifo"), os.O_WRONLY)
    try:
        for _ in range(5):
            os.write(writer, json.dumps({"jsonrpc": "2.0", "method": "core.echo", "params": bodies()[:4], "id": 1,
                                         "reply_name": name}).encode())
            answer, deadline = b"", time.monotonic() + 20
            while not answer.endswith(b"}\n") and not answer.endswith(b"}"):
                assert select.select([reader], [], [], max(0, deadline - time.monotonic()))[0], answer
                answer += os.read(reader, 65536)
            assert json.loads(answer)["result"] == bodies()[:4]
    finally:
        os.close(reader)
        os.close(writer)
        os.unlink("/tmp/" + name)


def test_the_journal(start_server, short, monkeypatch):
    server = start_server(config(usrloc__journal=1))
    figures = Load(server, "register", calls=500, window=32).result()
    assert figures["done"] == 500
    stop(server, "kill")
    server.start()                                      # reads it under the same conditions
    server.wait_log("500 bindings restored")


def test_rows_of_a_database(start_server, short, tmp_path, monkeypatch):
    tables = Sqlite(tmp_path, "usrloc")
    server = start_server(config(tables.driver, usrloc__db_mode=2, usrloc__db_url='"%s"' % tables.url,
                                 usrloc__timer_interval=1))
    figures = Load(server, "register", calls=300, window=32).result()
    assert figures["done"] == 300
    wait_for(lambda: int(tables.sql("SELECT COUNT(*) FROM location")[0][0]) == 300, server.log)
    stop(server, "kill")
    for path in glob.glob(os.path.join(server.rundir, "*journal*")):
        os.unlink(path)
    server.start()
    server.wait_log("300 bindings restored from the table")


def test_a_line_of_the_log_is_never_torn(start_server, short):
    server = start_server(config(main="""
workers=1
request_route {
	xlog("L_NOTICE", "<$ci and text that makes the line longer than it would be otherwise>\\n");
	sl_send_reply("200", "OK");
}
"""))
    figures = Load(server, "options", calls=300, window=8).result()
    assert figures["done"] == 300
    whole = re.findall(r"(?m)^ \d+\(\d+\) NOTICE: <script>: <bench-\S+ and text .* otherwise>$", server.log())
    assert len(whole) == 300 == server.log().count("<bench-")
