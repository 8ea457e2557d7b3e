# SPDX-License-Identifier: BSD-2-Clause
"""A reply that comes while another worker still forwards the request waits for it; what reply_route did to
the reply is not lost."""
import pytest
from settings import START, head

SCRIPT = """
request_route {
""" + START + """
	$ru = "sip:first@" + $hdr(X-Target);
	append_branch("sip:second@" + $hdr(X-Second));
	t_on_branch("SLOW");
	t_relay();
}
branch_route[SLOW] {
	if ($T_branch_idx == 1) usleep("300000");
}
reply_route {
	append_hf("X-Seen: yes\\r\\n");
	remove_hf("X-Secret");
	setflag(7);
	$avp(seen) = "kept";
}
onsend_route { if ($rs == 180) xlog("L_NOTICE", "leaves with $mf $avp(seen)\n"); }
"""
CONFIG = head("cfgutils") + "onsend_route_reply=yes\n" + SCRIPT


@pytest.mark.viaduct_only("the peer's worker sleeps with all that it has to send")
def test_edits_of_a_reply_that_waits_are_kept(agent, server):
    alice, bob, carol = agent("alice"), agent("bob"), agent("carol")
    invite = alice.invite(bob.aor, headers=[("X-Target", bob.host_port), ("X-Second", carol.host_port)])
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180, headers=[("X-Secret", "inside")])
    second = carol.expect_request("INVITE")
    ringing = alice.expect_reply(180, invite)
    assert ringing.all("X-Seen") == ["yes"] and ringing.all("X-Secret") == []
    server.wait_log("leaves with 128 kept")
    for phone, request in ((bob, incoming), (carol, second)):
        phone.reply(request, 486)
    alice.expect_reply(486, invite)
