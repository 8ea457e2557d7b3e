# SPDX-License-Identifier: BSD-2-Clause
"""@tm.uas.… and @tm.uac[n].…, and what makes CANCEL and ACK differ: reparse_invite, evlreq_mode."""
import re

import pytest
from settings import START, head

PLACES = ("new", "made", "relayed", "reply", "failure", "answered")
SELECTS = ("uas.request", "uas.status", "uas.response", "uas.local_to_tag", "uac.count", "uac.relayed",
           "uac.last_status", "uac.response_retransmission", "uac[0].request", "uac[0].status",
           "uac[0].response", "uac[1].status")


def note(place):
    """Logs each select."""
    return "".join("""
	$var(x) = @tm.%s;
	xlog("L_NOTICE", "%s %s <$var(x)>\\n");""" % (select, place, select) for select in SELECTS)


SCRIPT = """
request_route {""" + START + """
	if (is_method("ACK")) exit;
	if (is_method("CANCEL")) {
		t_relay();
		exit;
	}""" + note("new") + """
	t_newtran();""" + note("made") + """
	t_on_failure("FAILED");
	t_on_reply("HEARD");
	$du = "sip:" + $hdr(X-Target);
	append_branch("sip:b@127.0.0.1:9");
	t_relay();""" + note("relayed") + """
}
onreply_route[HEARD] {""" + note("reply") + """
}
failure_route[FAILED] {""" + note("failure") + """
	t_reply("488", "Not Here");""" + note("answered") + """
}
"""
CONFIG = head(timers=True, tm__fr_timer=700) + SCRIPT
ALLOWED = ["lval_assign|get_last_status"]           # the peer complains of what is not there
MARKED = """
request_route {""" + START + """
	if (is_method("ACK")) exit;
	if (is_method("INVITE")) {
		remove_hf("Route");
		insert_hf("X-Mark: sent\\r\\n", "Call-ID");
	}
	$du = "sip:" + $(hdr(To){nameaddr.uri}{uri.param,target}{s.replace,_,:});
	t_relay();
}
event_route[tm:local-request] {
	append_hf("X-Local: $rm\\r\\n");
}
"""


def seen(server, place, select):
    return re.findall(r"\b%s %s <([^>]*)" % (place, re.escape(select)), server.log())


@pytest.fixture
def phones(agent):
    return agent("alice"), agent("bob")


def test_selects_show_what_came_and_went(server, phones):
    alice, bob = phones
    invite = alice.invite(server.uri("x"), headers=[("X-Target", bob.host_port)])
    incoming = bob.expect_request("INVITE")
    # another worker may take the reply
    server.wait_log("relayed %s <" % re.escape(SELECTS[-1]))
    bob.reply(incoming, 183)
    alice.expect_reply(183, invite)
    bob.reply(incoming, 486)
    alice.expect_reply(488, invite, timeout=6)
    server.wait_log("answered %s <" % re.escape(SELECTS[-1]))
    for select, expected in {
            "uas.request": ["", "INVITE", "INVITE", "INVITE", "INVITE", "INVITE"],
            "uas.status": ["", "0", "100", "100", "183", "488"],
            "uas.response": ["", "", "SIP/2.0 100", "SIP/2.0 100", "SIP/2.0 183", "SIP/2.0 488"],
            "uac.count": ["", "0", "2", "2", "2", "2"],
            "uac.relayed": ["", "-1", "-2", "-2", "0", "-2"],
            "uac.last_status": ["", "", "", "183", "", ""],
            "uac.response_retransmission": ["", "", "", "1", "", ""],
            "uac[0].request": ["", "", "INVITE", "INVITE", "INVITE", "INVITE"],
            "uac[0].status": ["", "", "0", "183", "486", "486"],
            "uac[0].response": ["", "", "", "", "SIP/2.0 486", "SIP/2.0 486"],
            "uac[1].status": ["", "", "0", "0", "408", "408"]}.items():
        for place, wanted in zip(PLACES, expected):
            found = seen(server, place, select)[0]
            assert found.startswith(wanted) and bool(found) == bool(wanted), (place, select, found)
    assert not seen(server, "failure", "uas.local_to_tag")[0]
    assert seen(server, "answered", "uas.local_to_tag")[0]


def cancelled(server, alice, bob):
    """The CANCEL and the ACK that bob gets for a call with a Route that the proxy took away."""
    uri = server.uri("x")
    invite = alice.invite(uri, to="<%s;target=%s>" % (uri, bob.host_port.replace(":", "_")),
                          headers=[("Route", "<sip:%s;lr>" % server.host_port), ("P-Mark", "x")])
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    alice.cancel(invite)
    cancel = bob.expect_request("CANCEL")
    bob.reply(cancel, 200)
    bob.reply(incoming, 487)
    alice.expect_reply(487, invite)
    ack = bob.expect_request("ACK")
    assert cancel.branch == incoming.branch == ack.branch
    assert (cancel.cseq, ack.cseq) == ((1, "CANCEL"), (1, "ACK"))
    return cancel, ack


@pytest.mark.parametrize("reparses", [1, 0])
def test_cancel_has_the_headers_that_were_sent_or_received(start_server, agent, reparses):
    server = start_server(head(tm__reparse_invite=reparses) + MARKED)
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    for request in cancelled(server, alice, bob):
        assert ("Route" in request) == (not reparses), request


@pytest.mark.viaduct_only("evlreq_mode is newer than the peer")
@pytest.mark.parametrize("mode", [0, 1])
def test_our_cancel_runs_the_route_of_local_requests_when_wished(start_server, agent, mode):
    server = start_server(head(tm__evlreq_mode=mode) + MARKED)
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    cancel, ack = cancelled(server, alice, bob)
    assert cancel.get("X-Local") == ("CANCEL" if mode else None) and "X-Local" not in ack
