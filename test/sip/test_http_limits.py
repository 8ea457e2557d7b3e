# SPDX-License-Identifier: BSD-2-Clause
"""HTTP (and SIP) over TCP from clients that are slow, wrong, greedy or many."""
import os
import re
import resource
import select
import socket
import time

import pytest
from settings import PROXY, RELAY, head

EVENTS = """
event_route[xhttp:request] {
	if ($hu =~ "^/RPC") jsonrpc_dispatch();
	else if ($hu =~ "^/silent") exit;
	else xhttp_reply("200", "OK", "text/plain", "$rm $hu $bs");
}
"""
pytestmark = pytest.mark.viaduct_only("the peer closes without a word, or not at all")
SERVER = {"transports": ("udp", "tcp")}


def config(**settings):
    lines = "".join("%s=%s\n" % item for item in settings.items())
    return head("jsonrpcs", "xhttp", "nathelper").replace("disable_tcp=yes\n", "tcp_accept_no_cl=yes\n") \
        + lines + PROXY + RELAY + EVENTS


CONFIG = config()


@pytest.fixture
def connect(server):
    made = []

    def make(to=server):
        made.append(socket.create_connection(to.address, 8))
        made[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made[-1]

    yield make
    for connection in made:
        connection.close()


def read_answer(connection):
    """Status and body of the next answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(1)
        assert more, "closed after %r" % data
        data += more
    header, _, _ = data.partition(b"\r\n\r\n")
    length = int([line for line in header.split(b"\r\n")
                  if line.lower().startswith(b"content-length")][0].split(b":")[1])
    body = b""
    while len(body) < length:
        more = connection.recv(length - len(body))
        assert more, "closed after %r" % body
        body += more
    return int(header.split()[1]), body


def send_what_goes(connection, data):
    try:
        connection.sendall(data)
    except OSError:
        pass


def wait_closed(connection, seconds=8):
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass


def get(path="/x"):
    return b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()


# ---- wrong requests are told why ----

@pytest.mark.parametrize("request_text, status", [
    (b"POST /x HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 501),
    (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n", 400),
    (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
     400),
    (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n%s\r\n" % (b"x" * 4096) * 100, 413),
    (b"POST /x HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 300000, 413),
    (b"POST /x HTTP/1.1\r\nContent-Length: 4294967295\r\n\r\n", 413),
    (b"GET /x HTTP/1.1\r\nX: " + b"x" * 100000 + b"\r\n\r\n", 431),
    (b"POST /x HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
    (b"POST /x HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    (b"POST /x HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
    (b"GET /x HTTP/1.1\r\nno colon in it\r\n\r\n", 400),
    (b"GET /x HTTP/1.1\r\nX: a\r\r\n\r\n", 400),
], ids=["codings", "chunk", "both", "chunks", "large", "larger", "header", "negative", "twice", "wraps", "colon", "return"])
def test_wrong_requests_are_told_why(connect, request_text, status):
    connection = connect()
    send_what_goes(connection, request_text)
    answer, body = read_answer(connection)
    assert answer == status and body.strip()
    wait_closed(connection)


def test_chunks(connect):
    connection = connect()
    body = b'{"jsonrpc":"2.0","method":"core.echo","params":["in chunks"],"id":1}'
    text = b"POST /RPC HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x;x=y\r\n%s\r\n" % (len(body[i:i + 10]), body[i:i + 10]) for i in range(0, len(body), 10))
    text += b"0\r\nX-Trailer: y\r\n\r\n"
    for step in (len(text), 7, 1):
        for i in range(0, len(text), step):
            connection.sendall(text[i:i + step])
        status, answer = read_answer(connection)
        assert status == 200 and b"in chunks" in answer
    connection.sendall(text + get("/after"))
    assert read_answer(connection)[0] == 200
    assert read_answer(connection) == (200, b"GET /after 0")


def test_what_came_before_is_answered_first(connect):
    connection = connect()
    connection.sendall(get("/good") + b"GET / HTTP/1.1\r\nbad line\r\n\r\n" + get("/after"))
    assert read_answer(connection) == (200, b"GET /good 0")
    assert read_answer(connection)[0] == 400
    wait_closed(connection)


@pytest.mark.parametrize("rubbish", [b"GET / HTTP/1.1", b"GET /\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
                                     b"GET / HTTP/9999.1\r\n\r\n", b"\x00\x01\x02\r\n\r\n"])
def test_rubbish_does_no_harm(connect, rubbish):
    connection = connect()
    connection.sendall(rubbish)
    connection.shutdown(socket.SHUT_WR)
    wait_closed(connection)
    other = connect()
    other.sendall(get())
    assert read_answer(other)[0] == 200


# ---- slow ones ----

def test_byte_by_byte(connect):
    connection = connect()
    body = b'{"jsonrpc":"2.0","method":"core.echo","params":["slow"],"id":1}'
    text = b"POST /RPC HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    for i in range(len(text)):
        connection.sendall(text[i:i + 1])
    status, answer = read_answer(connection)
    assert status == 200 and b"slow" in answer


@pytest.mark.parametrize("start", [b"GET /x HTTP/1.1\r\nHost: x\r\n",
                                   b"POST /x HTTP/1.1\r\nContent-Length: 1000\r\n\r\nhalf"])
def test_half_a_request_times_out(start_server, connect, start):
    server = start_server(config(tcp_msg_read_timeout=1), **SERVER)
    slow, other = connect(server), connect(server)
    slow.sendall(start)
    # A byte now and then does not help.
    began = time.monotonic()
    while time.monotonic() - began < 0.6:
        slow.sendall(b"a")
        select.select([slow], [], [], 0.1)
    other.sendall(get())
    assert read_answer(other)[0] == 200
    assert read_answer(slow)[0] == 408
    wait_closed(slow)


def test_half_a_sip_message_times_out(start_server, connect):
    server = start_server(config(tcp_msg_read_timeout=1), **SERVER)
    slow = connect(server)
    slow.sendall(b"OPTIONS sip:x@y SIP/2.0\r\nVia: x")
    wait_closed(slow)


def test_unread_answers_stop_the_sender_only(start_server, connect):
    """Who reads nothing is not read from, and ends; the others are served meanwhile."""
    server = start_server(config(tcp_send_timeout=1, tcp_conn_wq_max=8192), **SERVER)
    greedy, other = connect(server), connect(server)
    greedy.settimeout(0.2)
    question = b'{"jsonrpc":"2.0","method":"system.listMethods","id":1}'
    question = b"POST /RPC HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(question), question)
    try:
        for _ in range(20000):
            greedy.sendall(question)
    except OSError:
        pass
    other.sendall(get())
    assert read_answer(other)[0] == 200
    wait_for_connections(server, 1)


def wait_for_connections(server, most, seconds=8):
    deadline = time.monotonic() + seconds
    while server.rpc("core.tcp_info")["opened_connections"] > most:
        assert time.monotonic() < deadline, server.rpc("core.tcp_list")
        time.sleep(0.02)


# ---- functions that are for SIP ----

FUNCTIONS = """
sl_send_reply("200", "OK"); send_reply("200", "OK"); sl_reply_error(); t_reply("200", "OK");
t_newtran(); t_relay(); t_check_trans(); t_precheck_trans(); t_is_set("failure_route");
t_lookup_request(); record_route(); record_route_preset("1.2.3.4:5060"); loose_route();
is_direction("upstream"); save("location"); lookup("location"); unregister("location", "sip:a@b");
registered("location"); has_totag(); is_method("INVITE"); is_present_hf("From"); has_body();
append_hf("X-A: b\\r\\n"); insert_hf("X-A: b\\r\\n"); remove_hf("Host"); remove_hf("From");
msg_apply_changes(); subst("/x/y/"); replace_all("x", "y"); search("x"); remove_body();
set_body("abc", "text/plain"); force_rport(); add_local_rport(); add_rport(); forward();
mf_process_maxfwd_header("10"); maxfwd_process("10"); is_maxfwd_lt("5"); sanity_check("65535", "15");
sanity_check(); is_uri_user_e164("$fu"); is_request(); is_first_hop(); add_uri_param("a=b");
tel2sip("$ru", "x", "$ru"); uri_param("a"); set_forward_close(); append_branch(); via_add_srvid("1");
set_reply_body("a", "text/plain"); append_to_reply("X: y\\r\\n"); is_privacy("id");
encode_contact("a", "b"); fix_nated_contact(); cmp_uri("$ru", "$fu"); options_reply(); t_release(); t_suspend(); force_tcp_alias();
add_tcp_alias(); avp_printf("$avp(x)", "$fu $tu $ci $cs $rb $ct");
""".split(";")
VARIABLES = ("$fu $tu $fU $tU $fd $ft $tt $ci $cs $ru $rU $rd $rp $rP $ct $hdr(Via) $hdr(From) $rm "
             "$mb $ua $si $sp $proto $Ri $Rp $du $dd $br $bR $ai $re $pd $pu $di $au $ar "
             "$T_branch_idx $rr $route_uri $rz $td $adu "
             "$hfl(From) $via0(host) $rv $ml $bs $cl $cT $conid $rmid $siz $Rut $rdir(id)").split()


def known(server_config, lines):
    """Those that the server knows."""
    found = []
    for line in lines:
        line = line.strip()
        name = re.match(r"\$?\w+", line)
        if name and name.group(0) in server_config:
            found.append(line)
    return found


def test_sip_functions_do_no_harm(start_server, connect):
    reference = os.path.join(os.path.dirname(__file__), "..", "..", "doc", "reference", "README.md")
    with open(reference) as file:
        names = set(re.findall(r"\[`(\$?\w+)", file.read()))
    functions = known(names, FUNCTIONS)
    assert len(functions) > 40
    cases = functions + ['append_to_reply("X-Seen: %s\\r\\n")' % name for name in VARIABLES]
    script = "".join('\tif ($hu == "/%d") { %s; }\n' % case for case in enumerate(cases))
    begin = "event_route[xhttp:request] {\n"
    server = start_server(config().replace(begin, begin + script), **SERVER)
    server.allow(".*")
    before = server.rpc("core.psx")
    for number, case in enumerate(cases):
        connection = connect(server)
        connection.sendall(b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" % number
                           + get("/after"))
        try:
            connection.recv(65536)
        except ConnectionError:
            pass
        assert server.rpc("core.psx") == before, case + "\n" + server.log()[-3000:]


# ---- clients that ask before they send ----

def test_body_is_asked_for(connect):
    connection = connect()
    connection.sendall(b"POST /x HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n")
    wanted = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert connection.recv(len(wanted), socket.MSG_WAITALL) == wanted
    connection.sendall(b"he")
    connection.sendall(b"llo" + get("/next"))
    assert read_answer(connection) == (200, b"POST /x 5")
    assert read_answer(connection) == (200, b"GET /next 0")


def test_body_that_is_there_is_not_asked_for(connect):
    connection = connect()
    connection.sendall(b"POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
    assert read_answer(connection) == (200, b"POST /x 5")


def test_body_that_is_too_large_is_refused_before_it_comes(connect):
    connection = connect()
    connection.sendall(b"POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 500000\r\n\r\n")
    assert read_answer(connection)[0] == 413


# ---- many ----

def test_pipelined_requests_of_all_sizes(connect):
    connection = connect()
    sizes = [0, 1, 100, 5000, 60000, 3]
    connection.sendall(b"".join(b"POST /%d HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"
                                % (size, size, b"x" * size) for size in sizes))
    for size in sizes:
        assert read_answer(connection) == (200, b"POST /%d %d" % (size, size))


def test_request_without_an_answer_does_not_block_the_next(connect):
    connection = connect()
    connection.sendall(get("/silent") + get("/next"))
    assert read_answer(connection) == (200, b"GET /next 0")


def test_sip_and_http_on_one_connection(connect, server):
    connection = connect()
    sip = ("OPTIONS sip:harness-ready@%s SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx\r\n"
           "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: one\r\nCSeq: 1 OPTIONS\r\n"
           "Max-Forwards: 5\r\nContent-Length: 0\r\n\r\n" % server.host_port).encode()
    connection.sendall(get("/first") + b"\r\n\r\n" + sip)
    assert read_answer(connection) == (200, b"GET /first 0")
    assert connection.recv(2) == b"\r\n"
    assert read_answer(connection)[0] == 200


def test_thousands_of_connections(start_server, connect):
    server = start_server(config(tcp_max_connections=5000, tcp_accept_iplimit=5000), **SERVER)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(3000, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most + 100), hard))
    connections = [connect(server) for _ in range(most)]
    for connection in connections:
        connection.sendall(get())
    for connection in connections:
        assert read_answer(connection) == (200, b"GET /x 0")
    assert server.rpc("core.tcp_info")["opened_connections"] == most
    for connection in connections:
        connection.close()
    wait_for_connections(server, 0)


def test_connections_beyond_the_limit_are_refused(start_server, connect):
    server = start_server(config(tcp_max_connections=20), **SERVER)
    kept = [connect(server) for _ in range(20)]
    for connection in kept:
        connection.sendall(get())
        assert read_answer(connection)[0] == 200
    for _ in range(30):
        wait_closed(connect(server))
    kept[0].close()
    wait_for_connections(server, 19)
    again = connect(server)
    again.sendall(get())
    assert read_answer(again)[0] == 200


def test_one_address_gets_its_share(start_server, connect):
    server = start_server(config(tcp_accept_iplimit=5), **SERVER)
    kept = [connect(server) for _ in range(5)]
    for connection in kept:
        connection.sendall(get())
        assert read_answer(connection)[0] == 200
    wait_closed(connect(server))
    with socket.socket() as other:
        other.bind(("127.0.0.77", 0))
        other.settimeout(8)
        other.connect(server.address)
        other.sendall(get())
        assert read_answer(other)[0] == 200


def test_connections_of_half_requests_do_not_hold_up_others(server, connect):
    for _ in range(300):
        connect().sendall(b"POST /x HTTP/1.1\r\nContent-Length: 50000\r\n\r\nhalf")
    other = connect()
    other.sendall(get())
    assert read_answer(other)[0] == 200
