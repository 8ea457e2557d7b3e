# SPDX-License-Identifier: BSD-2-Clause
"""Module xmlrpc: commands over HTTP, asked by Python's own client and by hand."""
import http.client
import threading
import xmlrpc.client

import pytest
from settings import START, head

MAIN = """
tcp_accept_no_cl=yes
modparam("xmlrpc", "route", "XMLRPC")
modparam("xmlrpc", "url_skip", "^/skipped")
modparam("xmlrpc", "url_match", "^/RPC|^/skipped")
route[XMLRPC] {
	if ($hdr(X-Case) == "fault") {
		xmlrpc_reply("404", "No <such> & thing");
		exit;
	}
	if ($hdr(X-Case) == "text") {
		append_to_reply("X-Seen: $rm $ru $proto\\r\\n");
		xmlrpc_reply("200", "fine");
		exit;
	}
	if ($hdr(X-Case) == "close") set_reply_close();
	dispatch_rpc();
}
request_route {
""" + START + """
	xlog("L_NOTICE", "main route: $rm\\n");
	sl_send_reply("200", "OK");
}
"""
SERVER = {"transports": ("udp", "tcp")}


def config(*modules, **settings):
    lines = "".join('modparam("xmlrpc", "%s", %s)\n' % item for item in settings.items())
    return head("cfg_rpc", "xmlrpc", *modules).replace("disable_tcp=yes\n", "") + lines + MAIN


CONFIG = config()


class Transport(xmlrpc.client.Transport):
    def __init__(self, case):
        super().__init__(headers=[("X-Case", case)])


def client(server, path="/RPC2", case=""):
    return xmlrpc.client.ServerProxy("http://%s%s" % (server.host_port, path), Transport(case))


def post(server, body, path="/RPC2", method="POST", **headers):
    web = http.client.HTTPConnection(*server.address, timeout=8)
    try:
        web.request(method, path, body, {"Content-Type": "text/xml", **headers})
        answer = web.getresponse()
        return answer, answer.read()
    finally:
        web.close()


def fault_of(call, *arguments):
    with pytest.raises(xmlrpc.client.Fault) as error:
        call(*arguments)
    return error.value.faultCode, error.value.faultString


def call(method, *values):
    return "<methodCall><methodName>%s</methodName><params>%s</params></methodCall>" % (
        method, "".join("<param><value>%s</value></param>" % value for value in values))


def test_values_of_all_kinds(server):
    proxy = client(server)
    assert "/linux" in proxy.core.version()
    assert proxy.core.echo("a", 1, 2.5, True, "<&>'\"") == ["a", "1", "2.5", "1", "<&>'\""]
    assert proxy.core.printi(5) == [5]
    assert proxy.cfg.get("core", "debug") == 2
    uptime = proxy.core.uptime()
    assert set(uptime) == {"now", "up_since", "uptime"} and isinstance(uptime["uptime"], int)
    processes = proxy.core.psx()
    assert processes[0]["IDX"] == 0 and processes[0]["PID"] == server.process.pid
    assert "core.psx" in proxy.system.listMethods()
    # Nothing to tell is an empty value.
    assert proxy.cfg.set_now_int("core", "debug", 2) == ""


def test_values_as_other_clients_write_them(server):
    _, body = post(server, call("core.echo", "bare", "<i4>7</i4>", "<string/>",
                                "<dateTime.iso8601>20261121T10:00:00</dateTime.iso8601>",
                                "<string><![CDATA[<raw>]]></string>"))
    assert xmlrpc.client.loads(body) == ((["bare", "7", "", "20261121T10:00:00", "<raw>"],), None)
    # There may be no XML declaration and no params at all.
    _, body = post(server, "<methodCall><methodName>core.version</methodName></methodCall>")
    assert "/linux" in xmlrpc.client.loads(body)[0][0]


@pytest.mark.viaduct_only("the peer leaves them out")
def test_base64_and_converted_values(server):
    proxy = client(server)
    assert proxy.core.echo(xmlrpc.client.Binary(b"any\x01"), "b") == ["any?", "b"]
    assert proxy.core.printi("5") == [5]


def test_the_layout_is_the_peers(server):
    answer, body = post(server, call("core.printi", "<int>5</int>"))
    assert answer.status == 200
    assert body.decode() == (
        '<?xml version="1.0"?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n'
        "<value><int>5</int></value>\n</data></array></value>\n</param>\n</params>\n"
        "</methodResponse>")


def test_carriage_returns_are_escaped(server):
    _, body = post(server, call("core.echo", "one&#xD;\ntwo"))
    assert b"one&#xD;\ntwo" in body


def test_faults(server):
    proxy = client(server)
    assert fault_of(proxy.no.such) == (500, "Method Not Found")
    assert fault_of(proxy.cfg.seti, "core", "debug", "x")[0] == 400


def test_script_sees_the_request_and_answers(server):
    answer, body = post(server, "", **{"X-Case": "text"})
    assert answer.getheader("X-Seen") == "POST sip:127.0.0.1:9 tcp"
    assert xmlrpc.client.loads(body) == ((1,), None)


@pytest.mark.viaduct_only("the peer answers 1, whatever the code")
def test_script_answers_with_a_fault(server):
    assert fault_of(client(server, case="fault").anything) == (404, "No <such> & thing")


@pytest.mark.parametrize("document, text", [
    ("garbage", "Invalid XML-RPC Document"),
    ("", "Invalid XML-RPC Document"),
    ("<methodCall>", "Invalid XML-RPC Document"),
    ("<methodCall></methodCall>", "Method Name Not Found"),
])
def test_bad_documents_are_faults(server, document, text):
    server.allow("Invalid XML-RPC document|Method name not found")
    answer, body = post(server, document)
    assert answer.status == 200
    with pytest.raises(xmlrpc.client.Fault) as error:
        xmlrpc.client.loads(body)
    assert (error.value.faultCode, error.value.faultString) == (400, text)


@pytest.mark.viaduct_only("the peer ignores some, and expands entities")
@pytest.mark.parametrize("document, text", [
    ("<other/>", "Invalid XML-RPC Document"),
    ("<methodCall><methodName> </methodName></methodCall>", "Method Name Not Found"),
    (call("core.echo", "<i4>x</i4>"), "Invalid Parameter Value"),
    (call("core.echo", "<double>1.5z</double>"), "Invalid Parameter Value"),
    (call("core.echo", "<base64>!</base64>"), "Invalid Parameter Value"),
    (call("core.echo", "<struct></struct>"), "Invalid Parameter Type"),
    (call("core.echo", *["x"] * 300), "Too Many Parameters"),
    ('<!DOCTYPE x [<!ENTITY a "aaaa">]>' + call("core.echo", "&a;"), "Invalid XML-RPC Document"),
    ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + call("core.echo", "&a;"),
     "Invalid XML-RPC Document"),
    ("<a>" * 5000, "Invalid XML-RPC Document"),
    (call("core.echo", "\x01"), "Invalid XML-RPC Document"),
])
def test_strange_documents_are_faults(server, document, text):
    _, body = post(server, document)
    with pytest.raises(xmlrpc.client.Fault) as error:
        xmlrpc.client.loads(body)
    assert (error.value.faultCode, error.value.faultString) == (400, text)


@pytest.mark.viaduct_only("the peer lets the library write to stderr")
def test_the_library_does_not_write_into_the_log(server):
    answer, body = post(server, b"\xff\xfe<\0a\0>\0" + b"\0\xd8<\0" * 3000)
    assert answer.status == 200 and b"Invalid XML-RPC Document" in body
    assert "encoding error" not in server.log() and "I/O error" not in server.log()


@pytest.mark.viaduct_only("the peer keeps it open")
def test_connection_closes_when_the_script_wants_it(server):
    assert post(server, call("core.version"), **{"X-Case": "close"})[0].will_close
    assert not post(server, call("core.version"))[0].will_close


@pytest.mark.viaduct_only("the peer sends the line feeds that XML makes of the line ends")
def test_deferred_commands_are_waited_for(server, agent):
    alice = agent("alice")
    answer = []
    asking = threading.Thread(target=lambda: answer.append(client(server).tm.t_uac_wait(
        "OPTIONS", alice.contact.strip("<>"), ".", ".",
        "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nContact: <sip:x@y>\r\n", "")))
    asking.start()
    alice.reply(alice.expect_request("OPTIONS"), 200)
    asking.join(8)
    assert "200" in str(answer)


@pytest.mark.viaduct_only("the peer gives them to the main route")
@pytest.mark.parametrize("path, method", [("/skipped", "POST"), ("/other", "POST"),
                                          ("/RPC2", "PUT")])
def test_other_requests_are_not_taken(server, path, method):
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        post(server, call("core.version"), path, method)


def test_line_feeds_become_crlf(start_server):
    server = start_server(config(double_lf_to_crlf=1), **SERVER)
    assert client(server).core.echo("a\n\nb\nc") == ["a\r\nb\nc"]


@pytest.mark.viaduct_only("the peer calls the main route")
def test_missing_route_is_told(start_server):
    with pytest.raises(AssertionError) as error:
        start_server(CONFIG + 'modparam("xmlrpc", "route", "NOSUCH")\n', **SERVER)
    assert "there is no route[NOSUCH]" in str(error.value)


def test_functions_alone_beside_xhttp(start_server):
    server = start_server(config("xhttp", mode=1) + """
event_route[xhttp:request] {
	if ($hu =~ "^/RPC") dispatch_rpc();
	else xhttp_reply("200", "OK", "text/plain", "xhttp");
}
""", **SERVER)
    assert "/linux" in client(server).core.version()
    assert post(server, "", "/other")[1] == b"xhttp"
