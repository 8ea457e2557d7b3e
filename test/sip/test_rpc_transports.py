# SPDX-License-Identifier: BSD-2-Clause
"""JSON-RPC over FIFO, datagrams and TCP, and from the script."""
import json
import os
import select
import socket
import time

import pytest
from sipua.server import free_address

TCP = free_address()
CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
auto_aliases=no
children=2
loadmodule "sl.so"
loadmodule "xlog.so"
loadmodule "jsonrpcs.so"
modparam("jsonrpcs", "transport", 0)
modparam("jsonrpcs", "tcp_socket", "tcp:%s:%d")
request_route {
	if ($rU == "exec") {
		jsonrpc_exec('{"jsonrpc":"2.0","method":"core.echo","params":["x"],"id":7}');
		xlog("L_NOTICE", "first $jsonrpl(code) $jsonrpl(text) $(jsonrpl(body){s.len})\\n");
		if (!jsonrpc_exec('{"jsonrpc":"2.0",')) xlog("L_NOTICE", "second $jsonrpl(code)\\n");
		jsonrpc_exec('{"jsonrpc":"2.0","method":"no.such","id":7}');
		xlog("L_NOTICE", "third $jsonrpl(code) $jsonrpl(text)\\n");
	}
	sl_send_reply("200", "Ready");
}
""" % TCP
ALLOWED = ["no JSON document", "reply_name"]


def request(method, *params, **members):
    return json.dumps(dict({"jsonrpc": "2.0", "method": method, "params": list(params), "id": 1}, **members)).encode()


@pytest.fixture
def fifo(server):
    """Writes to the server's FIFO, reads from one of ours."""
    name = "reply%d" % os.getpid()
    path = "/tmp/" + name
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    writer = os.open(os.path.join(server.rundir, "kamailio_rpc.fifo"), os.O_WRONLY)

    def ask(*parts, wait=10):
        for part in parts:
            os.write(writer, part)
        text = b""
        deadline = time.monotonic() + wait
        while True:
            ready = select.select([reader], [], [], max(0, deadline - time.monotonic()))[0]
            assert ready, "no whole answer: %r" % text
            text += os.read(reader, 65536)
            try:
                return json.loads(text)
            except ValueError:
                pass
    ask.name = name
    yield ask
    os.close(reader)
    os.close(writer)
    os.unlink(path)


def test_fifo_answers_in_the_named_fifo(fifo):
    assert fifo(request("core.echo", "a", reply_name=fifo.name)) == {"jsonrpc": "2.0", "result": ["a"], "id": 1}


def test_fifo_takes_requests_in_pieces_and_after_garbage(fifo):
    text = request("core.echo", "}{\"", reply_name=fifo.name)
    assert fifo(b"garbage\n", text[:20], text[20:], b"\n")["result"] == ["}{\""]


def test_fifo_answers_nowhere_else(fifo, server):
    path = os.path.join(server.directory, "elsewhere")
    with open(path, "w"):
        pass
    os.symlink(path, "/tmp/%s-link" % fifo.name)
    try:
        for name in ("../" + path, path, fifo.name + "-link", "..", "."):
            fifo(request("core.echo", "bad", reply_name=name), request("core.echo", "good", reply_name=fifo.name))
        assert os.path.getsize(path) == 0
    finally:
        os.unlink("/tmp/%s-link" % fifo.name)
    server.allow("cannot open the reply FIFO")


def test_datagrams_that_are_no_json_get_no_answer(server):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.bind(os.path.join(server.rundir, "odd-client"))
        client.settimeout(10)
        at = os.path.join(server.rundir, "kamailio_rpc.sock")
        client.sendto(b"no json", at)
        client.sendto(request("core.echo", "next"), at)
        assert json.loads(client.recv(65536))["result"] == ["next"]


def test_large_answers_fit_into_a_datagram(server):
    texts = ["x" * 1000] * 60
    assert server.rpc("core.echo", *texts) == texts


def test_tcp_answers_a_line_per_document(server):
    with socket.create_connection(TCP, timeout=10) as client:
        client.sendall(request("core.echo", "a", id=1) + request("core.echo", "b", id=2)[:-5])
        client.sendall(request("core.echo", "b", id=2)[-5:] + b"nonsense")
        text = b""
        while True:
            part = client.recv(65536)
            if not part:
                break
            text += part
    decoder, answers, at = json.JSONDecoder(), [], 0
    text = text.decode()
    while at < len(text):
        answer, at = decoder.raw_decode(text, at)
        answers.append(answer)
        at += 1
    assert [a.get("result", a.get("error", {}).get("code")) for a in answers] == [["a"], ["b"], -32700]


def test_script_sees_code_text_and_body(server, agent):
    alice = agent("alice")
    message = alice.send(alice.request("OPTIONS", server.uri("exec")))
    alice.expect_reply(200, message)
    server.wait_log(r"first 200 OK \d\d")
    server.wait_log(r"second -32700")
    server.wait_log(r"third 500 Method Not Found")


def test_fifo_and_socket_go_with_the_server(start_server):
    server = start_server(CONFIG.replace('modparam("jsonrpcs", "tcp', '#modparam("jsonrpcs", "tcp'))
    paths = [os.path.join(server.rundir, name) for name in ("kamailio_rpc.fifo", "kamailio_rpc.sock")]
    assert [os.stat(path).st_mode & 0o777 for path in paths] == [0o660, 0o660]
    server.process.terminate()
    server.process.wait(10)
    assert not any(os.path.exists(path) for path in paths)
    server.start()
