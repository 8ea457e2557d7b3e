# SPDX-License-Identifier: BSD-2-Clause
"""Module pv: functions on variables, XAVPs and branches, presets, shared variables."""
import pytest
from settings import START
from sipua.server import RpcError

MODULES = "kex sl pv textops xlog ctl jsonrpcs"
CONFIG = "#!KAMAILIO\ndebug=2\nlog_stderror=yes\nchildren=2\nauto_aliases=no\ndisable_tcp=yes\n" + "".join(
    'loadmodule "%s.so"\n' % name for name in MODULES.split()) + """
modparam("pv", "shvset", "preset=i:7")
modparam("pv", "shvset", "presets=s:seven")
modparam("pv", "varset", "vpreset=i:8")
modparam("pv", "avp_aliases", "short=s:long_name;num=i:12")

request_route {
""" + START + """
	$var(r) = "";
	$avp(text) = "text";
	$avp(number) = 5;
	$avp(digits) = "123";
	$avp(empty) = "";
	switch ($hdr(X-Case)) {
	case "isset":
		if (pv_isset("$avp(text)")) $var(r) = $var(r) + "a";
		if (pv_isset("$avp(none)")) $var(r) = $var(r) + "b";
		if (pv_isset("$null")) $var(r) = $var(r) + "c";
		if (pv_isset("$var(none)")) $var(r) = $var(r) + "d";
		pv_unset("$avp(text)");
		if (pv_isset("$avp(text)")) $var(r) = $var(r) + "e";
		break;
	case "types":
		if (is_int("$avp(number)")) $var(r) = $var(r) + "a";
		if (is_int("$avp(digits)")) $var(r) = $var(r) + "b";
		if (is_int("$mt")) $var(r) = $var(r) + "c";
		if (typeof("$avp(text)", "str")) $var(r) = $var(r) + "d";
		if (typeof("$avp(number)", "int")) $var(r) = $var(r) + "e";
		if (typeof("$avp(none)", "null")) $var(r) = $var(r) + "f";
		if (typeof("$avp(none)", "str")) $var(r) = $var(r) + "g";
		if (not_empty("$avp(text)")) $var(r) = $var(r) + "h";
		if (not_empty("$avp(empty)")) $var(r) = $var(r) + "i";
		if (not_empty("$avp(number)")) $var(r) = $var(r) + "j";
		break;
	case "explode":
		xavp_params_explode("a=1;b=two;c;d=xy", "x");
		xavp_params_implode("x", "$var(i)");
		$var(r) = $xavp(x=>a) + "|" + $xavp(x=>b) + "|" + $xavp(x=>d) + "|" + $var(i);
		break;
	case "slist":
		xavp_slist_explode("a,b ,,c", ",", "t", "l");
		$var(r) = $xavp(l=>v[0]) + $xavp(l=>v[1]) + $xavp(l=>v[2]) + $cnt($xavp(l=>v));
		break;
	case "copy":
		$xavp(w=>one) = "1";
		xavp_copy("w", "0", "v");
		$xavp(w=>one) = "2";
		xavp_copy("w", "0", "v", "0");
		$var(r) = $xavp(v=>one) + $cnt($xavp(v));
		xavp_copy("w", "1", "v");
		$var(r) = $var(r) + $xavp(v[0]=>one) + $xavp(v[1]=>one) + $cnt($xavp(v));
		if (!xavp_copy("none", "0", "v")) $var(r) = $var(r) + "!";
		break;
	case "children":
		xavp_child_seti("r", "c", "5");
		xavp_child_sets("r", "s", "str");
		xavp_child_seti("r", "c", "6");
		$var(r) = "" + $xavp(r=>c) + $xavp(r=>s) + $cnt($xavp(r)) + $cnt($xavp(r=>c));
		xavp_child_rm("r", "c");
		xavi_child_seti("R", "C", "7");
		$var(r) = $var(r) + $xavi(r=>c);
		if ($xavp(r=>c) == $null) $var(r) = $var(r) + "-";
		xavp_rm("r");
		$var(r) = $var(r) + $cnt($xavp(r));
		break;
	case "vars":
		$var(vv) = "vvv";
		pv_var_to_xavp("vv", "vx");
		$xavp(bk=>nv) = "nvv";
		pv_xavp_to_var("bk");
		$var(r) = $xavp(vx=>vv) + $var(nv) + $var(vpreset);
		break;
	case "evalx":
		$var(f) = "$$rm-$$(rm{s.len})";
		pv_evalx("$var(r)", "$_s($var(f))");
		break;
	case "branch":
		$sbranch(uri) = "sip:sb@x";
		$sbranch(q) = 500;
		sbranch_append();
		sbranch_set_ruri();
		$var(r) = $bR + "|" + $ru;
		sbranch_reset();
		if ($sbranch(uri) == $null) $var(r) = $var(r) + "|empty";
		break;
	case "shared":
		$var(r) = "" + $shv(preset) + $shv(presets) + $shv(unset);
		break;
	case "share":
		$shv(written) = $hdr(X-Value);
		break;
	case "read":
		$var(r) = "" + $shv(written);
		break;
	case "aliases":
		$avp(short) = "s";
		$avp(num) = "n";
		$var(r) = $avp(long_name) + $avp(i:12);
		break;
	}
	append_to_reply("X-Result: $var(r)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
ALLOWED = [".*"]

CASES = {
    "isset": "ad",
    "types": "acdefh",
    "explode": "1|two|xy|a=1;b=two;c;d=xy;",
    "slist": "abc3",
    "copy": "21212!",
    "children": "6str117-0",
    "vars": "vvvnvv8",
    "branch": "<sip:sb@x>;q=0.5|sip:sb@x|empty",
    "shared": "7seven0",
    "aliases": "sn",
}


def result(agent, case, value="-"):
    alice = agent("alice")
    request = alice.request("OPTIONS", "sip:x@" + alice.domain)
    request.headers[-1:-1] = [["X-Case", case], ["X-Value", value]]
    alice.send(request)
    return alice.expect_reply(200, request)["X-Result"]


@pytest.mark.parametrize("case", CASES)
def test_function(server, agent, case):
    assert result(agent, case) == CASES[case]


def test_shared_variables_are_seen_by_all_processes(server, agent):
    result(agent, "share", "first value")
    assert {result(agent, "read") for _ in range(8)} == {"first value"}
    result(agent, "share", "2")
    assert {result(agent, "read") for _ in range(8)} == {"2"}


def test_shared_variables_by_rpc(server, agent):
    assert server.rpc("pv.shvGet", "preset") == {"name": "preset", "type": "int", "value": 7}
    server.rpc("pv.shvSet", "presets", "str", "changed")
    assert server.rpc("pv.shvGet", "presets")["value"] == "changed"
    server.rpc("pv.shvSet", "preset", "int", 9)
    assert result(agent, "shared") == "9changed0"
    with pytest.raises(RpcError):
        server.rpc("pv.shvGet", "nope")
    server.rpc("pv.shvSet", "preset", "int", 7)
    server.rpc("pv.shvSet", "presets", "str", "seven")
