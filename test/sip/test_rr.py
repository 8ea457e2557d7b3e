# SPDX-License-Identifier: BSD-2-Clause
"""Record-Route over several branches. What the functions of rr do to one request is in
functions/rr.txt, which sockets a header names in test/unit/modules/rr_test.c."""
import pytest
from settings import START

MODULES = ("tm", "tmx", "sl", "rr", "pv", "textops", "siputils", "corex")
CONFIG = "\n".join(["#!KAMAILIO", "debug=2", "log_stderror=yes", "children=2", "auto_aliases=no",
                    "disable_tcp=yes"] + ['loadmodule "%s.so"' % name for name in MODULES]) + """
request_route {
""" + START + """
	if (is_method("ACK")) exit;
	if ($hdr(X-When) == "request") record_route();
	add_rr_param(";from=request");
	$ru = "sip:one@" + $hdr(X-Target);
	append_branch("sip:two@$hdr(X-Target)");
	t_on_branch("BRANCH");
	t_on_failure("FAILURE");
	t_relay();
}
branch_route[BRANCH] {
	if ($hdr(X-When) == "branch") record_route();
	add_rr_param(";branch=$T_branch_idx");
	append_hf("X-Branch: $T_branch_idx\\r\\n");
	if ($T_branch_idx == 0) remove_hf("Subject");
}
failure_route[FAILURE] {
	if ($hdr(X-When) == "undone") remove_record_route();
	$ru = "sip:three@" + $hdr(X-Target);
	t_on_branch("BRANCH");
	t_relay();
}
"""
ALLOWED = [".*"]


def branches(agent, server, when):
    """The INVITEs of all three branches, by user."""
    alice, bob = agent("alice"), agent("bob")
    request = alice.invite(server.uri("x"), headers=[("X-Target", bob.host_port), ("X-When", when),
                                                     ("Subject", "hello")])
    found = {}
    while len(found) < 3:
        incoming = bob.expect_request("INVITE|ACK")
        if incoming.method == "INVITE":
            found[incoming.uri.split("@")[0]] = incoming
            bob.reply(incoming, 486)
    alice.expect_reply(486, request)
    return [found["sip:" + user] for user in ("one", "two", "three")]


def test_each_branch_has_its_own_parameters(agent, server):
    for number, incoming in enumerate(branches(agent, server, "request")):
        route = "<sip:%s;lr;ftag=%s;from=request;branch=%d>" % (server.host_port, incoming.from_tag,
                                                               number)
        assert incoming.all("Record-Route") == [route]
        assert incoming["X-Branch"] == str(number)
        assert ("Subject" in incoming) == (number != 0)


@pytest.mark.viaduct_only("the peer forgets the parameter of the request after the first branch")
def test_branches_may_record_themselves(agent, server):
    for number, incoming in enumerate(branches(agent, server, "branch")):
        assert incoming["Record-Route"].endswith(";from=request;branch=%d>" % number)


def test_without_record_route_parameters_write_nothing(agent, server):
    assert all("Record-Route" not in incoming for incoming in branches(agent, server, "never"))
