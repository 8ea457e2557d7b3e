# SPDX-License-Identifier: BSD-2-Clause
"""Module path: settings, and the way back to the address in a Route header."""
import pytest
from settings import START, head

ROUTE = """
request_route {
""" + START + """
	if ($rU == "back") {
		$var(routed) = loose_route();
		append_to_reply("X-Routed: $var(routed) $du\\r\\n");
		sl_send_reply("200", "Done");
		exit;
	}
	if ($rU == "plain") add_path("u", "a=b");
	else add_path_received("u", "a=b");
	$du = "sip:" + $hdr(X-Next);
	t_relay();
}
"""


def path_of(agent, start_server, user, **settings):
    server = start_server(head("path", **settings) + ROUTE)
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    request = alice.request("REGISTER", "sip:%s@%s" % (user, alice.domain))
    request.headers[-1:-1] = [["X-Next", "%s:%d" % bob.address]]
    alice.send(request, server.address)
    text = "".join("<%s>" % value.strip("<>") for name, value in
                   bob.expect_request("REGISTER").headers if name == "Path")
    return text.replace("%s:%d" % tuple(server.address), "SERVER").replace(
        "%s:%d" % tuple(alice.address), "ALICE").replace(
        "%s~%d" % tuple(alice.address), "ALICE")


ADDED = [
    ("plain", {}, "<sip:u@SERVER;lr;a=b>"),
    ("plain", {"path__enable_r2": 1},
     "<sip:u@SERVER;lr;a=b;r2=on><sip:u@SERVER;lr;a=b;r2=on>"),
    ("received", {"path__enable_r2": 1}, "<sip:u@SERVER;lr;received=sip:ALICE;a=b;r2=on>" * 2),
    ("received", {"path__received_format": 1}, "<sip:u@SERVER;lr;received=ALICE~1;a=b>"),
    ("received", {"path__received_name": '"rcv"'}, "<sip:u@SERVER;lr;rcv=sip:ALICE;a=b>"),
    ("received", {"path__received_format": 1, "path__received_name": '"alias"'},
     "<sip:u@SERVER;lr;alias=ALICE~1;a=b>"),
]


@pytest.mark.parametrize("user,settings,expected", ADDED)
def test_settings_form_the_header(agent, start_server, user, settings, expected):
    assert path_of(agent, start_server, user, **settings) == expected


BACK = [
    # value of the parameter, settings, $du; the peer puts there what is no URI too
    ("received=sip:192.0.2.1:5077", {}, "sip:192.0.2.1:5077"),
    ("received=sip%3A192.0.2.1%3A5077%3Btransport%3Dtcp", {}, "sip:192.0.2.1:5077;transport=tcp"),
    ("received=", {}, "<null>"),
    ("x=y", {}, "<null>"),
    ("rcv=192.0.2.1~5077~1", {"path__received_name": '"rcv"', "path__received_format": 1},
     "sip:192.0.2.1:5077"),
    ("received=192.0.2.1~5077~2", {"path__received_format": 1}, "sip:192.0.2.1:5077;transport=tcp"),
    ("received=192.0.2.1~5077~3", {"path__received_format": 1}, "sip:192.0.2.1:5077;transport=tls"),
    ("received=[2001:db8::1]~5077~1", {"path__received_format": 1}, "sip:[2001:db8::1]:5077"),
]


@pytest.mark.parametrize("parameter,settings,expected", BACK)
def test_received_address_becomes_the_next_hop(agent, start_server, parameter, settings, expected):
    server = start_server(head("path", path__use_received=1, **settings) + ROUTE)
    server.allow("path|pars")
    alice = agent("alice", server=server)
    request = alice.request("MESSAGE", "sip:back@" + alice.domain)
    request.headers[1:1] = [["Route", "<sip:%s:%d;lr;%s>" % (*server.address, parameter)]]
    alice.send(request, server.address)
    assert alice.expect_reply(200, request)["X-Routed"].split()[1] == expected


@pytest.mark.viaduct_only("the peer sends to anything")
@pytest.mark.parametrize("parameter,form", [
    ("received=bogus", 0), ("received=192.0.2.1~x~1", 1), ("received=192.0.2.1~5077~9", 1),
    ("received=192.0.2.1~99999~1", 1), ("received=~5~1", 1), ("received=%3C%3E", 0)])
def test_what_is_no_address_is_not_used(agent, start_server, parameter, form):
    test_received_address_becomes_the_next_hop(
        agent, start_server, parameter, {"path__received_format": form}, "<null>")


@pytest.mark.viaduct_only("the peer writes what it is given")
def test_a_script_cannot_end_the_line(agent, start_server):
    server = start_server(head("path") + "request_route {" + START + """
	if (!add_path("a\\r\\nX-Evil: b")) sl_send_reply("200", "Refused");
}
""")
    server.allow("must not contain")
    alice = agent("alice", server=server)
    request = alice.request("REGISTER", "sip:" + alice.domain)
    alice.send(request, server.address)
    assert alice.expect_reply(200, request).reason == "Refused"
