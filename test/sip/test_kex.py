# SPDX-License-Identifier: BSD-2-Clause
"""Module kex: flags, local names, printing into variables, statistics, processes."""
import re

import pytest
from settings import START
from sipua.server import RpcError

CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
children=1
auto_aliases=no
disable_tcp=yes
flags
	BILLED:7;
alias="example.org"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "xlog.so"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "maxfwd.so"
loadmodule "ctl.so"
loadmodule "jsonrpcs.so"
modparam("maxfwd", "max_limit", 70)

request_route {
""" + START + """
	$var(r) = "";
	switch ($hdr(X-Case)) {
	case "script-flags":
		setsflag("3");
		if (issflagset("3")) $var(r) = $var(r) + "a";
		if (issflagset("4")) $var(r) = $var(r) + "b";
		$var(r) = $var(r) + $sf;
		resetsflag("3");
		if (!issflagset("3")) $var(r) = $var(r) + "c";
		break;
	case "branch-flags":
		setbflag("3");
		if (isbflagset("3")) $var(r) = $var(r) + "a";
		if (isbflagset("3", "0")) $var(r) = $var(r) + "b";
		if (isbflagset("3", "1")) $var(r) = $var(r) + "c";
		$var(r) = $var(r) + $bf;
		append_branch("sip:b@127.0.0.1");
		setbflag("5", "1");
		if (isbflagset("5", "1")) $var(r) = $var(r) + "d";
		if (isbflagset("5")) $var(r) = $var(r) + "e";
		resetbflag("3");
		if (!isbflagset("3")) $var(r) = $var(r) + "f";
		break;
	case "local":
		if (is_myself("sip:a@$Ri:$Rp")) $var(r) = $var(r) + "a";
		if (is_myself("sip:a@$Ri")) $var(r) = $var(r) + "b";
		if (is_myself("sip:a@$Ri:9")) $var(r) = $var(r) + "c";
		if (is_myself("sip:example.org")) $var(r) = $var(r) + "d";
		if (is_myself("example.org")) $var(r) = $var(r) + "e";
		if (is_myself("sip:example.net")) $var(r) = $var(r) + "f";
		if (is_myself("$fu")) $var(r) = $var(r) + "g";
		break;
	case "destination":
		setdsturi("sip:127.0.0.1:9999");
		$var(r) = $du;
		if (isdsturiset()) $var(r) = $var(r) + "|a";
		resetdsturi();
		if (!isdsturiset()) $var(r) = $var(r) + "b";
		if ($du == $null) $var(r) = $var(r) + "c";
		break;
	case "print":
		pv_printf("$var(one)", "<$rm $rU>");
		avp_printf("$avp(two)", "$hdr(X-Case)");
		$var(r) = $var(one) + $avp(two);
		break;
	case "level":
		setdebug("1");
		xlog("L_INFO", "kex-hidden\\n");
		resetdebug();
		xlog("L_INFO", "kex-shown\\n");
		$var(r) = "done";
		break;
	}
	append_to_reply("X-Result: $var(r)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
CASES = {
    "script-flags": "a8c",
    "branch-flags": "ab8df",
    "local": "abdeg",
    "destination": "sip:127.0.0.1:9999|abc",
    "print": "<OPTIONS x>print",
    "level": "done",
}


def fault(server, *call):
    with pytest.raises(RpcError) as caught:
        server.rpc(*call)
    return caught.value.args[0]["message"].strip()


def ask(agent, case):
    alice = agent("alice")
    request = alice.request("OPTIONS", "sip:x@" + alice.domain)
    request.headers[-1:-1] = [["X-Case", case]]
    alice.send(request)
    return alice.expect_reply(200, request)["X-Result"]


@pytest.mark.parametrize("case", CASES)
def test_function(server, agent, case):
    assert ask(agent, case) == CASES[case]


def test_level_of_one_process(server, agent):
    ask(agent, "level")
    server.wait_log("kex-shown")
    assert "kex-hidden" not in server.log()


def test_statistics_are_lines(server, agent):
    ask(agent, "-")
    lines = server.rpc("stats.get_statistics", "all")
    assert lines == sorted(lines, key=lambda line: line.split(" ")[0].split(":")) or server.program == "kamailio"
    line, = [x for x in lines if x.startswith("core:rcv_requests = ")]
    assert int(line.split(" = ")[1]) > 0
    one = server.rpc("stats.get_statistics", "rcv_requests_options")
    assert (one if isinstance(one, str) else one[0]).startswith("core:rcv_requests_options = ")
    assert all(x.startswith("shmem:") for x in server.rpc("stats.get_statistics", "shmem:"))
    assert not server.rpc("stats.get_statistics", "nosuch")
    assert fault(server, "stats.get_statistics") == "Please provide which stats to retrieve"


def test_statistics_are_structures(server):
    texts = server.rpc("stats.fetch", "rcv_requests", "shmem:")
    numbers = server.rpc("stats.fetchn", "rcv_requests", "shmem:")
    assert list(texts) == list(numbers)
    assert all(isinstance(x, str) for x in texts.values())
    assert all(isinstance(x, int) for x in numbers.values())
    assert {"core.rcv_requests", "shmem.total_size", "shmem.fragments"} <= set(texts)
    assert server.rpc("stats.fetch", "nosuch") == {}


def test_statistics_are_reset(server, agent):
    ask(agent, "-")
    shown = server.rpc("stats.clear_statistics", "rcv_requests")
    shown = shown if isinstance(shown, str) else shown[0]
    assert re.fullmatch(r"core:rcv_requests = 0 \([1-9]\d*\)", shown)
    assert server.rpc("stats.fetchn", "rcv_requests") == {"core.rcv_requests": 0}
    ask(agent, "-")
    server.rpc("stats.reset_statistics", "rcv_requests")
    assert server.rpc("stats.fetchn", "rcv_requests") == {"core.rcv_requests": 0}
    assert fault(server, "stats.reset_statistics") == "Please provide stats name"


def test_private_memory_of_processes(server):
    every = server.rpc("pkg.stats")
    assert list(every[0]) == ["entry", "pid", "rank", "used", "free", "real_used", "total_size", "total_frags",
                              "desc"]
    assert every[0]["pid"] == server.process.pid
    one = server.rpc("pkg.stats", "pid", every[-1]["pid"])
    assert (one[0] if isinstance(one, list) else one)["entry"] == every[-1]["entry"]
    one = server.rpc("pkg.stats", "index", 0)
    assert (one[0] if isinstance(one, list) else one)["pid"] == server.process.pid
    assert fault(server, "pkg.stats", "pid", 1) == "No such pid"
    assert fault(server, "pkg.stats", "colour", 1) == "Invalid filter type"
    assert fault(server, "pkg.stats", "index") == "One more parameter expected"


@pytest.mark.viaduct_only("the peer of this age has no such commands")
def test_module_parameters(server):
    assert "maxfwd: max_limit" in server.rpc("modparam.list")
    assert server.rpc("modparam.getn", "maxfwd", "max_limit") == 70
    server.rpc("modparam.setn", "maxfwd", "max_limit", 60)
    assert server.rpc("modparam.getn", "maxfwd", "max_limit") == 60
    assert fault(server, "modparam.getn", "maxfwd", "nosuch") == "Parameter not found"
    assert fault(server, "modparam.getn", "nosuch", "x") == "Module not found"
    assert "out of range" in fault(server, "modparam.setn", "maxfwd", "max_limit", 600)


def test_core_commands(server):
    assert server.rpc("core.udp4_raw_info")["udp4_raw"] == 0
    assert "," in server.rpc("core.flags")
    assert server.rpc("core.echo", "a", "b") == ["a", "b"]
    assert [x["DSC"] for x in server.rpc("core.psx")]
    assert str(server.address[1]) in str(server.rpc("core.sockets_list"))
    assert "example.org" in str(server.rpc("core.aliases_list"))
    server.rpc("core.kill", 0)


# ---- memory of modules ----

def test_memory_of_a_module(server):
    title, figures, end = server.rpc("mod.stats", "core", "shm")
    assert (title, end) == ("Module: core", "")
    total = figures.pop("Total")
    assert figures and sum(figures.values()) == total > 0
    title, private, shared, end = server.rpc("mod.stats", "core", "all")
    assert (title, private["Total"] >= 0, end) == ("Module: core", True, "")
    assert shared["Total"] > 0
    assert server.rpc("mod.stats", "nope", "shm") == ["Module: nope", {"Total": 0}, ""]


def test_memory_of_all_modules(server):
    answer = server.rpc("mod.mem_stats", "all", "shm")
    titles = [item for item in answer if isinstance(item, str) and item]
    assert {"Module: core", "Module: kex"} <= set(titles)
    counted = server.rpc("mod.mem_statsx", "core", "shm")[1]
    counted.pop("Total")
    assert all(text.endswith(")") and int(text.split(" (")[0]) > 0 for text in counted.values())


def test_memory_of_what(server):
    assert fault(server, "mod.stats") == 'Module name or "all" needed'
    assert fault(server, "mod.stats", "core") == '"pkg" or "shm" or "all" needed'
