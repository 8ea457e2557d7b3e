# SPDX-License-Identifier: BSD-2-Clause
"""Functions in routes where they can do nothing: accepted there, as by the peer; without effect."""
import pytest
from settings import START, head

CONFIG = head("auth") + """
request_route {
""" + START + """
	$du = "sip:" + $hdr(X-Next);
	t_on_reply("ANSWER");
	$var(early) = t_branch_timeout() || t_branch_replied();
	t_relay();
}
onreply_route[ANSWER] {
	$var(sent) = send_reply("480", "Not From Here");
	$var(mode) = send_reply_mode("480", "Not From Here", "1");
	$var(challenged) = auth_challenge("example.com", "0");
	append_hf("X-Results: $var(sent) $var(mode) $var(challenged)\\r\\n");
}
reply_route {
	if (is_present_hf("X-Strip")) {
		remove_hf("Via");
		msg_apply_changes();
		xlog("L_INFO", "without Via: $T_reply_code $T_branch_idx $T(id_index)\n");
		if (t_is_set("failure_route") || !t_check_status("200") || t_any_replied()) forward();
	}
	send_reply("480", "Not From Here");
	www_challenge("example.com", "0");
	proxy_challenge("example.com", "0");
}
"""
ALLOWED = [".*"]


@pytest.mark.viaduct_only("the peer accepts them too, and loses the reply")
def test_a_reply_is_not_answered(agent, server):
    alice, bob = agent("alice"), agent("bob")
    request = alice.request("MESSAGE", bob.aor, headers=[("X-Next", bob.host_port)])
    alice.send(request)
    bob.reply(bob.expect_request("MESSAGE"), 200)
    assert alice.expect_reply(200, request)["X-Results"] == "-1 -1 -1"


def test_a_reply_that_lost_its_via_hurts_nobody(agent, server):
    alice, bob = agent("alice"), agent("bob")
    for strip in True, False:
        request = alice.request("MESSAGE", bob.aor, headers=[("X-Next", bob.host_port)])
        alice.send(request)
        incoming = bob.expect_request("MESSAGE")
        if strip:
            bob.reply(incoming, 200, headers=[("X-Strip", "yes")])
            server.wait_log("without Via:")
        else:
            bob.reply(incoming, 200)
            alice.expect_reply(200, request)


EARLY = head("cfgutils") + """
request_route {
""" + START + """
	$du = "sip:" + $hdr(X-Next);
	t_on_branch("NOTE");
	t_on_reply("SHOW");
	t_relay();
	usleep(300000);
}
branch_route[NOTE] { $avp(noted) = "in the branch"; }
onreply_route[SHOW] { append_hf("X-Noted: $avp(noted)\\r\\n"); }
"""


def test_a_reply_before_the_script_ends_knows_what_the_branch_route_set(agent, start_server):
    server = start_server(EARLY)
    alice, bob = agent("alice", server), agent("bob", server)
    request = alice.request("MESSAGE", bob.aor, headers=[("X-Next", bob.host_port)])
    alice.send(request)
    bob.reply(bob.expect_request("MESSAGE"), 200)
    assert alice.expect_reply(200, request)["X-Noted"] == "in the branch"
