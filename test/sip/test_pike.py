# SPDX-License-Identifier: BSD-2-Clause
"""Module pike: who sends too much, by address."""
import pytest
from settings import START, head

X = 20  # requests that are let through at least; the peer lets through up to three times as many
CONFIG = head("pike", "ctl", "jsonrpcs", pike__sampling_time_unit=600,
              pike__reqs_density_per_unit=X) + """
request_route {
""" + START + """
	$var(count) = 0;
	$var(result) = 1;
	while ($var(result) == 1 && $var(count) < 90) {
		pike_check_ip("$hdr(X-Address)");
		$var(result) = $rc;
		$var(count) = $var(count) + 1;
	}
	pike_check_ip("$hdr(X-Address)");
	$var(again) = $rc;
	pike_check_req();
	append_to_reply("X-Own: $rc\\r\\n");
	append_to_reply("X-Count: $var(count)\\r\\nX-Result: $var(result) $var(again)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
ALLOWED = ["pike", "PIKE"]


def ask(agent, address):
    alice = agent("alice")
    request = alice.request("MESSAGE", "sip:x@" + alice.domain)
    request.headers[-1:-1] = [["X-Address", address]]
    alice.send(request)
    return alice.expect_reply(200, request)


@pytest.mark.parametrize("address", ["10.0.0.1", "192.0.2.77"])
def test_too_many_requests_block_an_address_and_no_other(agent, server, address):
    answer = ask(agent, address)
    assert answer["X-Result"] == "-2 -1"
    assert X <= int(answer["X-Count"]) <= 3 * X + 1
    assert answer["X-Own"] == "1"
    assert ask(agent, address)["X-Result"].startswith("-1")


@pytest.mark.viaduct_only("the peer counts the bytes of addresses, so its limit varies")
def test_the_limit_is_the_same_for_all(agent, server):
    for address in ("10.20.30.40", "10.20.30.41", "2001:db8::99"):
        assert int(ask(agent, address)["X-Count"]) == X + 1


@pytest.mark.viaduct_only("the peer's words are others")
def test_what_is_no_address_is_let_through(agent, server):
    server.allow("is no IP address")
    assert ask(agent, "example.org")["X-Result"] == "1 1"


def test_pike_top_shows_who_sends(agent, server):
    before = server.rpc("stats.get_statistics", "pike:")
    ask(agent, "198.51.100.9")
    after = server.rpc("stats.get_statistics", "pike:")
    assert int(after[0].split()[-1]) == int(before[0].split()[-1]) + 1
    top = server.rpc("pike.top")
    assert top["max_hits"] == X
    assert top["number_of_rows"] == len(top["list"])
    row = [row for row in top["list"] if row["ip_addr"] == "198.51.100.9"][0]
    assert sorted(row) == ["expires", "ip_addr", "leaf_hits_curr", "leaf_hits_prev", "status"]
    assert row["status"] == "HOT" and row["leaf_hits_curr"] > X and 0 < row["expires"] <= 120
    assert len(server.rpc("pike.top", "ALL")["list"]) >= top["number_of_rows"]
    hits = [row["leaf_hits_curr"] + row["leaf_hits_prev"] for row in server.rpc("pike.list")["list"]]
    assert hits == sorted(hits, reverse=True)


def test_a_quiet_unit_ends_the_block(agent, start_server):
    server = start_server(CONFIG.replace('"sampling_time_unit", 600', '"sampling_time_unit", 1'))
    server.allow("pike|PIKE")
    alice = agent("alice", server=server)

    def result():
        request = alice.request("MESSAGE", "sip:x@" + alice.domain)
        request.headers[-1:-1] = [["X-Address", "203.0.113.5"]]
        alice.send(request, server.address)
        return alice.expect_reply(200, request)
    assert result()["X-Result"].split()[1] == "-1"
    assert server.wait_log("(?i)unblock", timeout=10)
    assert int(result()["X-Count"]) >= X
