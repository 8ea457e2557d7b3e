# SPDX-License-Identifier: BSD-2-Clause
"""JSON-RPC over HTTP with curl: the same requests to our server and to Debian's kamailio, answers of the
same shape: status, type, members and their kinds, error codes and texts."""
import json
import shutil
import subprocess

import pytest
from settings import RELAY, START, head
from sipua import Agent
from sipua.server import Server, find_program

pytestmark = [
    pytest.mark.viaduct_only("starts both servers itself"),
    pytest.mark.skipif(not find_program("kamailio"), reason="Debian's kamailio is not there"),
    pytest.mark.skipif(not shutil.which("curl"), reason="curl is not there"),
]
CONFIG = head("ctl", "jsonrpcs", "counters", "statistics", "cfg_rpc", "xhttp", "htable").replace(
    "disable_tcp=yes", "tcp_accept_no_cl=yes") + """
modparam("jsonrpcs", "transport", 7)
modparam("jsonrpcs", "pretty_format", 1)
modparam("statistics", "variable", "mine")
modparam("htable", "htable", "t=>size=4;autoexpire=600")
site.limit = 5 desc "an own setting"
event_route[htable:mod-init] {
	$sht(t=>number) = 5;
	$sht(t=>text) = "abc";
}
event_route[xhttp:request] {
	if ($hu =~ "^/RPC") jsonrpc_dispatch();
	else xhttp_reply("404", "Not Found", "text/html", "<html><body>$hu</body></html>");
}
request_route {
""" + START + """
	if (is_method("REGISTER")) {
		save("location");
		exit;
	}
	sl_send_reply("200", "Ready");
}
""" + RELAY

# Run in this order on both servers.
CALLS = [
    "core.uptime", "core.psx", "core.psa", "core.sockets_list", "core.aliases_list", "core.tcp_list",
    "core.tcp_info", "core.shmmem", "core.version", "core.pwd", "core.kill 0", "core.modules",
    "core.echo a 1 2.5", "core.printi 5", "core.prints a b", "core.echo", "no.such",
    "system.listMethods", "system.methodHelp core.echo", "system.methodSignature core.uptime",
    "ul.dump", "ul.dump brief", "ul.lookup location alice", "ul.lookup location nobody",
    "ul.lookup nosuch alice", "ul.add location bob sip:b@192.0.2.2 300 1 s 0 0 7",
    "ul.lookup location bob", "ul.rm location bob", "ul.rm location bob",
    "tm.list", "tm.stats", "sl.stats", "cfg.get core debug", "cfg.get site limit", "cfg.get site",
    "cfg.set_now_int site limit 6", "cfg.seti core debug 2", "cfg.diff", "cfg.help site limit",
    "cfg.get nosuch x", "cfg.set_now_int core", "cfg.list site",
    "stats.get_statistics sl:", "stats.get_statistics rcv_requests", "stats.get_statistics",
    "stats.get_statistics nosuch", "stats.fetch sl:", "stats.fetchn sl: rcv_requests",
    "stats.fetch nosuch", "stats.reset_statistics sl:", "stats.clear_statistics mine",
    "cnt.grps_list", "cnt.var_list sl", "cnt.get sl 200_replies", "cnt.get_vars sl",
    "cnt.get sl nosuch", "cnt.get", "pkg.stats index 0", "shm.stats",
    "htable.listTables", "htable.stats", "htable.get t number", "htable.get t text",
    "htable.get t none", "htable.get", "htable.sets t new x", "htable.dump",
    "htable.delete t new", "htable.delete t new", "htable.flush t", "htable.sets t one x", "htable.dump t",
    "pv.shvGet nosuch", "pv.shvSet a int 5", "dst_blocklist.view", "corex.debug", "corex.list_sockets",
]
RAW = {
    "text-id": '{"jsonrpc":"2.0","method":"core.printi","params":[5],"id":"seven"}',
    "no-id": '{"jsonrpc":"2.0","method":"core.printi","params":[5]}',
    "no-params": '{"jsonrpc":"2.0","method":"core.uptime","id":7}',
    "named-params": '{"jsonrpc":"2.0","method":"core.prints","params":{"a":"x","b":"y"},"id":7}',
    "escapes": '{"jsonrpc":"2.0","method":"core.prints","params":["a\\u00e9\\n\\"\\\\"],"id":7}',
    "many-blanks": ' {  "jsonrpc" : "2.0" ,\n "method":"core.printi", "params" : [ 5 ] , "id" : 7 } ',
}
# Where our answer is meant to differ.
DIFFERS = {
    "core.tcp_list": "the peer shows inner counts, ours the age and the owner",
    "cfg.diff": "always a list here; an empty object in the peer when there is nothing",
    "cfg.help site limit": "the peer does not show the description",
    "cfg.get nosuch x": "ours says what is wrong",
    "cfg.set_now_int core": "ours says what is wrong",
    "cnt.get": "ours says what is wrong",
    "cnt.get sl nosuch": "the peer's status line has a line end in the middle",
}


def shape(value):
    """Kinds instead of values; lists as the set of what is in them."""
    if isinstance(value, dict):
        return {key: shape(member) for key, member in value.items()}
    if isinstance(value, list):
        return [list(kind) for kind in sorted({(json.dumps(shape(v)),) for v in value})]
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def curl(server, *arguments, path="/RPC"):
    """(status, type of the body, body)"""
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "2", "-w", "\n%{http_code} %{content_type}", *arguments,
         "http://%s%s" % (server.host_port, path)], capture_output=True, text=True, check=False)
    body, _, status = done.stdout.rpartition("\n")
    return status, body, done.returncode


def post(server, document, **kwargs):
    return curl(server, "-H", "Content-Type: application/json", "-d", document, **kwargs)


@pytest.fixture(scope="module")
def servers():
    made = [Server(CONFIG, program, transports=("udp", "tcp")) for program in ("kamailio", "viaduct")]
    for server in made:
        server.allow(".*")
        alice = Agent("alice", server=server.address)
        alice.register()
        alice.close()
    yield made
    for server in made:
        server.kill()


def request(words):
    method, *arguments = words.split()
    values = []
    for word in arguments:
        try:
            values.append(json.loads(word))
        except ValueError:
            values.append(word)
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": values, "id": 7})


def outcome(answer):
    status, body, code = answer
    if not body or code:
        return status, code
    document = json.loads(body)
    if "error" in document:
        error = document["error"]
        document["error"] = {"code=%s %s" % (error["code"], error["message"].strip()): error}
    return status, shape(document), document.get("id")


@pytest.mark.parametrize("words", CALLS)
def test_commands(servers, words):
    peer, ours = [outcome(post(server, request(words))) for server in servers]
    if words in DIFFERS:
        assert peer != ours, "no difference any more; take it out of DIFFERS"
    else:
        assert ours == peer


@pytest.mark.parametrize("name", RAW)
def test_requests(servers, name):
    peer, ours = [outcome(post(server, RAW[name])) for server in servers]
    assert ours == peer


def test_values_are_equal_where_they_can_be(servers):
    for words in ("core.printi 5", "core.prints a b", "cfg.get site limit", "htable.listTables",
                  "core.echo a 1 2.5", "cnt.var_list sl"):
        peer, ours = [json.loads(post(server, request(words))[1]) for server in servers]
        assert ours == peer


def test_other_pages(servers):
    peer, ours = [curl(server, path="/elsewhere") for server in servers]
    assert ours == peer == ("404 text/html", "<html><body>/elsewhere</body></html>", 0)


def test_many_on_one_connection(servers):
    for server in servers:
        urls = ["http://%s/page%d" % (server.host_port, i) for i in range(20)]
        done = subprocess.run(["curl", "-sS", "--max-time", "8", "-w", " %{num_connects}\n", *urls],
                              capture_output=True, text=True, check=False)
        pages = [line for line in done.stdout.splitlines() if "page" in line]
        assert [line.rpartition(" ")[0] for line in pages] == [
            "<html><body>/page%d</body></html>" % i for i in range(20)]
        assert sum(int(line.rpartition(" ")[2]) for line in pages) == 1


def test_big_request(servers):
    """The peer drops the connection."""
    text = "x" * 20000
    status, body, code = post(servers[1], json.dumps(
        {"jsonrpc": "2.0", "method": "core.prints", "params": [text], "id": 1}))
    assert (status, code) == ("200 application/json", 0) and text in body


@pytest.mark.parametrize("document, status", [
    ('[{"jsonrpc":"2.0","method":"no.such","id":1},{"jsonrpc":"2.0","method":"core.pwd","id":2}]', 200),
    ('{"jsonrpc":"1.0","method":"core.version","id":1}', 400),
    ('{"jsonrpc":"2.0","id":1}', 400),
    ("[]", 400),
    ("garbage", 400),
    ("", 400),
    ('{"jsonrpc":"2.0","method":"no.such\\r\\nX-Own: 1","id":1}', 500),
])
def test_requests_that_the_peer_cannot_answer(servers, document, status):
    answer, body, code = post(servers[1], document)
    assert (answer, code) == ("%d application/json" % status, 0)
    assert ("error" in json.loads(body)) if status != 200 else len(json.loads(body)) == 2
