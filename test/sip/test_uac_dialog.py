# SPDX-License-Identifier: BSD-2-Clause
"""uac: From and To of later requests come back with the help of the dialog (restore_dlg)."""
import pytest
from settings import START, head
from sipua import Dialog

CONFIG = head("dialog", "uac", uac__restore_dlg=1) + """
request_route {""" + START + """
	if (has_totag()) {
		if (loose_route()) t_relay();
		exit;
	}
	if (is_method("ACK|CANCEL")) { t_relay(); exit; }
	record_route();
	dlg_manage();
	uac_replace_from("Hidden", "sip:hidden@example.org");
	uac_replace_to("", "sip:desk@example.org");
	$du = "sip:" + $hdr(X-Bob);
	t_relay();
}
"""


@pytest.mark.parametrize("keeps_parameters", [True, False])
def test_later_requests_are_changed_in_both_directions(agent, server, program, keeps_parameters):
    """Also when a proxy between us and the phone took the parameters of Record-Route away."""
    if program == "kamailio" and not keeps_parameters:
        pytest.skip("the dialog of the peer wants its cookie there")
    alice, bob = agent("alice"), agent("bob")
    invite = alice.send(alice.request("INVITE", "sip:x@example.com", headers=[
        ("X-Bob", bob.host_port), ("Contact", alice.contact)]))
    incoming = bob.expect_request("INVITE")
    assert "sip:hidden@example.org" in incoming["From"] and "sip:desk@example.org" in incoming["To"]
    routes = [v if keeps_parameters else v.split(";vsf")[0].split(";vst")[0] + ">" * (";vs" in v)
              for v in incoming.all("Record-Route")]
    answer = bob.reply(incoming, 200, contact="<sip:bob@%s>" % bob.host_port)
    ok = alice.expect_reply(200, invite)
    assert "sip:hidden" not in ok["From"] and "sip:desk" not in ok["To"]
    caller, callee = Dialog.from_client(alice, invite, ok), Dialog.from_server(bob, incoming, answer)
    if not keeps_parameters:
        caller.routes, callee.routes = routes, routes
    caller.ack()
    bob.expect_request("ACK")
    for dialog, there, seen, unseen in (
            (caller, bob, ("sip:hidden@example.org", "sip:desk@example.org"), ("sip:hidden", "sip:desk")),
            (callee, alice, (alice.aor, "sip:x@example.com"), (alice.aor, "sip:x@example.com"))):
        info = dialog.send("INFO")
        got = there.expect_request("INFO")
        names = ("From", "To") if dialog is caller else ("To", "From")
        assert all(uri in got[name] for uri, name in zip(seen, names)), str(got)
        there.reply(got, 200)
        reply = dialog.agent.expect_reply(200, info)
        assert not any(uri in reply[name] for uri, name in zip(unseen, names)), str(reply)
