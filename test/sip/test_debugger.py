# SPDX-License-Identifier: BSD-2-Clause
"""Module debugger: the trace of the script, levels of the log for modules. Its lines are the peer's."""
import re

import pytest
from settings import START, head
from sipua.server import RpcError

ROUTE = """
request_route {
""" + START + """
	$var(x) = 1;
	route(ONE);
	if ($var(x) == 1) {
		xlog("L_NOTICE", "hello\\n");
	}
	append_hf("P-Hint: x\\r\\n");
	remove_hf("Contact");
	dbg_sip_msg("L_ERR");
	$avp(a) = "te\\"xt";
	$xavp(y=>z) = 5;
	dbg_pv_dump("30", "L_ERR");
	ds_is_from_list("1", "0", "nonsense");
	sl_send_reply("200", "Done");
	exit;
}
route[ONE] {
	setflag(3);
	return 1;
}
"""
TRACED = [("DEFAULT_ROUTE", "assign"), ("DEFAULT_ROUTE", "route"), ("ONE", "setflag"), ("ONE", "return"),
          ("DEFAULT_ROUTE", "xlog"), ("DEFAULT_ROUTE", "append_hf"), ("DEFAULT_ROUTE", "remove_hf"),
          ("DEFAULT_ROUTE", "dbg_sip_msg"), ("DEFAULT_ROUTE", "assign"), ("DEFAULT_ROUTE", "assign"),
          ("DEFAULT_ROUTE", "dbg_pv_dump"), ("DEFAULT_ROUTE", "ds_is_from_list"), ("DEFAULT_ROUTE", "sl_send_reply")]
ALLOWED = ["debugger", "dispatcher", "parse_uri", "dbg_", "CONFIG LINE"]


@pytest.fixture(scope="module")
def server(launch, tmp_path_factory):
    path = tmp_path_factory.mktemp("debugger") / "list"
    path.write_text("1 sip:127.0.0.1:9\n")
    return launch(head("debugger", "dispatcher", "jsonrpcs", jsonrpcs__transport=4, debugger__cfgtrace=1,
                       debugger__log_level_name='"exec"', debugger__mod_hash_size=5, debugger__mod_level_mode=1,
                       debugger__mod_level='"dispatcher=1"', dispatcher__list_file='"%s"' % path) + ROUTE)


@pytest.fixture
def ask(agent, server):
    alice = agent("alice")

    def ask():
        """What the log says about one request."""
        before = len(server.log())
        request = alice.send(alice.request("OPTIONS", "sip:x@" + alice.domain, headers=[("Contact", "<sip:a@b>")]))
        alice.expect_reply(200, request)
        return server.log()[before:]
    return ask


def traced(log):
    found = re.findall(r"\) exec: \*\*\* cfgtrace:dbg_cfg_trace\(\): request_route=\[(\w+)\] c=\[.*?\] l=\d+ (?:a=\d+ )?n=(\w+)", log)
    return [row for row in found if row[1] not in ("if", "is_method", "exit")]


def test_the_script_is_traced(ask, server):
    assert traced(ask()) == TRACED
    assert server.rpc("dbg.trace", "off") == "200 ok"
    assert not traced(ask())
    assert server.rpc("dbg.trace", "on") == "200 ok"
    assert traced(ask()) == TRACED
    for args, sentence in (((), "Config trace command missing"), (("x",), "Unknown trace command")):
        with pytest.raises(RpcError) as error:
            server.rpc("dbg.trace", *args)
        assert error.value.args[0]["message"] == sentence


def test_the_message_is_shown_as_it_would_leave(ask):
    shown = ask().partition("START OF SIP message debug")[2].partition("END OF SIP message debug")[0]
    head_of_it = shown.partition("SIP header diffs")[0]
    assert "P-Hint: x" in head_of_it and "Contact" not in head_of_it


@pytest.mark.viaduct_only("the peer writes lists of values")
def test_values_are_shown(ask):
    assert r'{"$avp(a)":"te\"xt","$xavp(y)":{"z":5}}' in ask()


def test_lines_of_the_script_keep_their_level(ask):
    assert "<script>: hello" in ask()


@pytest.mark.viaduct_only("the peer says other things")
def test_modules_have_levels_of_their_own(ask, server):
    line = "nonsense is no URI"
    assert line not in ask()
    assert server.rpc("dbg.set_mod_level", "dispatcher", 3) == "200 ok"
    assert line in ask()
    assert server.rpc("dbg.get_mod_level", "dispatcher") == 3
    assert server.rpc("dbg.get_mod_level", "tm") == 2
    assert server.rpc("dbg.set_mod_level", "dispatcher", 0) == "200 ok"
    assert line not in ask()
