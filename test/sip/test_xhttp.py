# SPDX-License-Identifier: BSD-2-Clause
"""HTTP on the SIP port: xhttp, and JSON-RPC over it."""
import http.client
import json
import socket

import pytest

from settings import PROXY, RELAY, head

EVENTS = """
event_route[xhttp:request] {
	if ($hu =~ "^/RPC") {
		jsonrpc_dispatch();
	} else if ($hu =~ "^/vars") {
		xhttp_reply("200", "OK", "text/plain", "$rm $hu $(hu{url.path}) $(hu{url.querystring}) $hdr(X-One) $si $proto $rb");
	} else if ($hu =~ "^/cors") {
		append_to_reply("Access-Control-Allow-Origin: *\\r\\n");
		xhttp_reply("204", "No Content", "", "");
	} else if ($hu =~ "^/forward") {
		if (!forward("127.0.0.1", "9"))
			xhttp_reply("500", "No", "text/plain", "not forwarded");
	} else if ($hu =~ "^/silent") {
		exit;
	} else {
		xhttp_reply("404", "Not Found", "text/html", "<html><body>$hu is not here</body></html>");
	}
}
"""
GLOBALS = head("jsonrpcs").replace("disable_tcp=yes", "tcp_accept_no_cl=yes")
HTTP = 'loadmodule "xhttp.so"\nmodparam("jsonrpcs", "transport", 7)\n'
CONFIG = GLOBALS + HTTP + PROXY + RELAY + EVENTS
SERVER = {"transports": ("udp", "tcp")}


@pytest.fixture
def web(server):
    connection = http.client.HTTPConnection(*server.address, timeout=8)
    yield connection
    connection.close()


def ask(web, method, path, body=None, headers=()):
    web.request(method, path, body, dict(headers))
    answer = web.getresponse()
    return answer, answer.read()


def test_variables_of_a_request(web):
    answer, body = ask(web, "POST", "/vars/x?a=1&b=2", "hello", {"X-One": "1"})
    assert answer.status == 200 and answer.getheader("Content-Type") == "text/plain"
    assert body == b"POST /vars/x?a=1&b=2 /vars/x a=1&b=2 1 127.0.0.1 tcp hello"


def test_connection_is_kept(web):
    for path in ("/a", "/b", "/c"):
        answer, body = ask(web, "GET", path)
        assert answer.status == 404 and path.encode() in body
    assert web.sock


def test_a_request_of_http_is_not_forwarded(web, server):
    server.expect_log("cannot be forwarded")
    assert ask(web, "GET", "/forward")[1] == b"not forwarded"


def test_reply_lines_become_headers(web):
    answer, body = ask(web, "OPTIONS", "/cors")
    assert answer.status == 204 and answer.getheader("Access-Control-Allow-Origin") == "*"
    assert body == b""


@pytest.mark.viaduct_only("the peer leaves it open")
def test_connection_closes_when_asked(server):
    with socket.create_connection(server.address, 8) as raw:
        raw.sendall(b"GET /x HTTP/1.0\r\nHost: x\r\n\r\n")
        answer = b""
        while True:
            more = raw.recv(65536)
            if not more:
                break
            answer += more
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n") and b"Connection: close" in answer


def test_pipelined_requests_are_answered_in_order(server):
    with socket.create_connection(server.address, 8) as raw:
        raw.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(20)))
        answer = b""
        while answer.count(b"is not here") < 20:
            more = raw.recv(65536)
            assert more, answer
            answer += more
    places = [answer.index(b">/%d is" % i) for i in range(20)]
    assert places == sorted(places)


def test_json_rpc(web):
    answer, body = ask(web, "POST", "/RPC", json.dumps(
        {"jsonrpc": "2.0", "method": "core.echo", "params": ["a", 1], "id": 7}),
        {"Content-Type": "application/json"})
    assert answer.status == 200 and answer.getheader("Content-Type") == "application/json"
    reply = json.loads(body)
    assert reply["id"] == 7 and [str(v) for v in reply["result"]] == ["a", "1"]


def test_json_rpc_large_answer(web):
    answer, body = ask(web, "POST", "/RPC", json.dumps(
        {"jsonrpc": "2.0", "method": "stats.fetch", "params": ["all"], "id": 1}))
    assert len(json.loads(body)["result"]) > 50


@pytest.mark.viaduct_only("the peer hangs up without an answer")
def test_json_rpc_garbage(web):
    answer, body = ask(web, "POST", "/RPC", "{nonsense")
    assert b"error" in body


def test_sip_and_http_share_the_port(web, stream_agent):
    alice = stream_agent("alice")
    ask(web, "GET", "/x")
    request = alice.send(alice.request("OPTIONS", "sip:harness-ready@%s:%d" % alice.server))
    alice.expect_reply(200, request)


@pytest.mark.viaduct_only("the peer gives what xhttp does not want to the main route")
def test_url_patterns_select(start_server):
    server = start_server(GLOBALS + HTTP + 'modparam("xhttp", "url_match", "^/RPC|^/vars")\n'
                          'modparam("xhttp", "url_skip", "^/vars/no")\n' + PROXY + RELAY + EVENTS,
                          transports=("udp", "tcp"))
    web = http.client.HTTPConnection(*server.address, timeout=8)
    answer, _ = ask(web, "GET", "/vars/yes")
    assert answer.status == 200
    for path in ("/vars/no", "/other"):
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            ask(http.client.HTTPConnection(*server.address, timeout=8), "GET", path)
