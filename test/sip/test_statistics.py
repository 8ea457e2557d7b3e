# SPDX-License-Identifier: BSD-2-Clause
"""Module statistics: counts of the script in group script; and who shows and resets them."""
import pytest
from settings import START, head

MAIN = """
modparam("statistics", "variable", "mine")
modparam("statistics", "variable", "keep/no_reset")
modparam("counters", "script_counter", "told:what it counts")
modparam("counters", "script_counter", "own.spaced  more words")
request_route {
""" + START + """
	$var(name) = $hdr(X-Name);
	$var(number) = $hdr(X-Number);
	if ($rU == "constant") {
		update_stat("mine", "+5");
		update_stat("mine", "-2");
		update_stat("mine", "3");
		update_stat("keep", "2");
	} else if ($rU == "add") {
		update_stat("$var(name)", "$var(number)");
	} else if ($rU == "reset") {
		reset_stat("$var(name)");
	}
	append_to_reply("X-Result: $rc\\r\\n");
	append_to_reply("X-Value: $stat(mine) $stat(keep)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
CONFIG = head("jsonrpcs", "counters", "statistics") + MAIN


def ask(agent, user, name="mine", number="0"):
    alice = agent("alice")
    request = alice.request("OPTIONS", "sip:%s@%s" % (user, alice.domain))
    request.headers[-1:-1] = [["X-Name", name], ["X-Number", number]]
    alice.send(request)
    reply = alice.expect_reply(200, request)
    return reply["X-Result"], [int(n) for n in reply["X-Value"].split()]


def test_numbers_are_added(server, agent):
    server.rpc("stats.reset_statistics", "mine")
    kept = ask(agent, "nothing")[1][1]
    assert ask(agent, "constant") == ("1", [6, kept + 2])
    assert ask(agent, "add", number="7") == ("1", [13, kept + 2])
    assert ask(agent, "add", number="-3")[1][0] == 10
    assert server.rpc("stats.fetch", "mine") == {"script.mine": "10"}
    assert server.rpc("cnt.get", "script", "mine") == 10


def test_only_some_are_reset(server, agent):
    kept = ask(agent, "constant")[1][1]
    assert ask(agent, "reset") == ("1", [0, kept])
    assert ask(agent, "reset", name="keep") == ("1", [0, kept])
    ask(agent, "constant")
    assert server.rpc("stats.reset_statistics", "mine", "keep") == {}
    assert ask(agent, "nothing")[1] == [0, kept + 2]


def test_shown_when_cleared(server, agent):
    server.rpc("stats.reset_statistics", "mine")
    ask(agent, "constant")
    server.rpc("stats.clear_statistics", "keep")
    assert server.rpc("stats.clear_statistics", "mine").startswith("script:mine = ")
    assert ask(agent, "nothing")[1][0] == 0


def test_unknown_names_are_false(server, agent):
    server.allow("not defined|no statistic")
    assert ask(agent, "add", name="nosuch", number="1")[0] == "-1"
    assert ask(agent, "reset", name="nosuch")[0] == "-1"


@pytest.mark.viaduct_only("the peer takes it for success")
def test_number_must_be_one(server, agent):
    server.allow("is no number")
    assert ask(agent, "add", number="abc")[0] == "-1"


def test_descriptions_of_counters(server):
    assert server.rpc("cnt.help", "script", "told") == "what it counts"
    assert server.rpc("cnt.help", "own", "spaced") == "more words"


@pytest.mark.viaduct_only("the peer has other words")
@pytest.mark.parametrize("line, words", [
    ('modparam("statistics", "variable", "x/bogus")', "the only flag is no_reset"),
    ('modparam("statistics", "variable", "")', "expected NAME"),
    ('modparam("statistics", "variable", "mine")', "declared before"),
    ('route[X] { update_stat("nosuch", "1"); }', "there is no such statistic"),
    ('route[X] { reset_stat("nosuch"); }', "there is no such statistic"),
    ('route[X] { update_stat("mine", "abc"); }', "expected a number"),
    ('route[X] { update_stat("mine", "0"); }', "a change by 0"),
])
def test_mistakes_are_told(start_server, line, words):
    with pytest.raises(AssertionError) as error:
        start_server(CONFIG + line + "\n")
    assert words in str(error.value)
