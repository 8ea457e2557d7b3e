# SPDX-License-Identifier: BSD-2-Clause
"""Module rtimer: routes that run at intervals."""
import pytest
from settings import START, head

ROUTE = """
modparam("rtimer", "timer", "name=fast;interval=50000u;mode=1;")
modparam("rtimer", "timer", "name=slow;interval=1;mode=0")
modparam("rtimer", "exec", "timer=fast;route=COUNT")
modparam("rtimer", "exec", "timer=fast;route=SECOND")
modparam("rtimer", "exec", "timer=slow;route=SLOW")
request_route {
""" + START + """
	append_to_reply("X-Count: $shv(count) $shv(second) $shv(slow) $shv(method)\\r\\n");
	sl_send_reply("200", "Done");
}
route[COUNT] {
	$shv(count) = $shv(count) + 1;
	$shv(method) = $rm;
}
route[SECOND] {
	$shv(second) = $shv(second) + 1;
	exit;
}
route[SLOW] {
	$shv(slow) = $shv(slow) + 1;
}
"""


def counts(alice, server):
    request = alice.request("MESSAGE", "sip:x@" + alice.domain)
    alice.send(request, server.address)
    *numbers, method = alice.expect_reply(200, request)["X-Count"].split()
    assert method == "OPTIONS"
    return [int(number) for number in numbers]


def test_routes_run_at_their_intervals(agent, start_server):
    server = start_server(head("rtimer") + ROUTE)
    alice = agent("alice", server=server)
    first = last = [0, 0, 0]
    for _ in range(60):
        alice.collect(0.1)
        last = counts(alice, server)
        if last[2] >= 2 and last[0] > 20:
            break
    assert last[2] >= 2
    assert last[0] > 20 and last[1] > 20
    assert last[0] > 4 * last[2]
    assert first != last


@pytest.mark.viaduct_only("diagnostics are ours")
@pytest.mark.parametrize("line,said", [
    ('modparam("rtimer", "timer", "interval=1")', "has no name"),
    ('modparam("rtimer", "timer", "name=a;interval=x")', "number of seconds"),
    ('modparam("rtimer", "timer", "name=a;speed=3")', "nothing but name"),
    ('modparam("rtimer", "timer", "name=fast;interval=1")', "defined before"),
    ('modparam("rtimer", "exec", "timer=none;route=COUNT")', "defined before"),
    ('modparam("rtimer", "exec", "timer=fast;route=NOWHERE")', r"no route\[NOWHERE\]"),
])
def test_definitions_that_cannot_work_are_told(start_server, line, said):
    with pytest.raises(AssertionError, match=said):
        start_server(head("rtimer") + ROUTE + line + "\n")


def test_a_mode_is_a_number_of_runs_side_by_side(agent, start_server):
    server = start_server(head("rtimer") + """
modparam("rtimer", "timer", "name=many;interval=50000u;mode=3")
modparam("rtimer", "exec", "timer=many;route=NUMBERED")
request_route {
""" + START + """
	append_to_reply("X-Count: $shv(zero) $shv(one) $shv(two) $shv(other)\\r\\n");
	sl_send_reply("200", "Done");
}
route[NUMBERED] {
	switch ($rtimer_worker) {
		case 0: $shv(zero) = 1; break;
		case 1: $shv(one) = 1; break;
		case 2: $shv(two) = 1; break;
		default: $shv(other) = 1;
	}
}
""")
    alice = agent("alice", server=server)
    for _ in range(60):
        alice.collect(0.1)
        request = alice.request("MESSAGE", "sip:x@" + alice.domain)
        alice.send(request, server.address)
        count = alice.expect_reply(200, request)["X-Count"]
        if count == "1 1 1 0":
            break
    assert count == "1 1 1 0"
