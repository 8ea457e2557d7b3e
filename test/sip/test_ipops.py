# SPDX-License-Identifier: BSD-2-Clause
"""Module ipops: questions to DNS and their answers. (What its other functions do is in functions/ipops.txt.)"""
import pytest
from settings import START, head
from sipua.dns import DnsServer

RECORDS = {
    ("one.test", "A"): ["192.0.2.1", "192.0.2.2"],
    ("_sip._udp.one.test", "SRV"): [(20, 1, 5071, "b.test"), (10, 1, 5070, "a.test")],
    ("one.test", "NAPTR"): [(10, 50, "s", "SIP+D2U", "", "_sip._udp.one.test")],
}
ROUTE = """
request_route {
""" + START + """
	$var(rc) = 0;
	if ($rU == "match") dns_int_match_ip("one.test", "192.0.2.2");
	if ($rU == "no-match") dns_sys_match_ip("one.test", "192.0.2.3");
	if ($rU == "nobody") dns_int_match_ip("nobody.test", "192.0.2.3");
	if ($rU == "hosts") dns_query("one.test", "q");
	if ($rU == "services") srv_query("_sip._udp.one.test", "q");
	if ($rU == "pointers") naptr_query("one.test", "q");
	if ($rU == "kept") { dns_set_local_ttl("100"); dns_query("one.test", "q"); }
	if ($rU == "unkept") { dns_set_local_ttl("100"); dns_set_local_ttl("0"); dns_query("one.test", "q"); }
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\n");
	append_to_reply("X-Hosts: $dns(q=>count) $dns(q=>ipv4) $dns(q=>addr[0]) $dns(q=>addr[-1]) $dns(q=>type[1])\\r\\n");
	append_to_reply("X-Services: $srvquery(q=>count) $srvquery(q=>target[0]):$srvquery(q=>port[0]) $srvquery(q=>priority[1]) $srvquery(q=>weight[1])\\r\\n");
	append_to_reply("X-Pointers: $naptrquery(q=>count) $naptrquery(q=>order[0]) $naptrquery(q=>pref[0]) $naptrquery(q=>services[0]) $naptrquery(q=>replace[0])\\r\\n");
	append_to_reply("X-Host: $HN(n) $HN(f)\\r\\n");
	sl_send_reply("200", "Done");
}
"""


@pytest.fixture(scope="module")
def server(launch):
    with DnsServer(RECORDS) as dns:
        yield launch(head("ipops") + 'dns_servers="%s"\n' % dns.address + ROUTE)


@pytest.mark.viaduct_only("the peer has no parameter for DNS servers")
@pytest.mark.parametrize("user,header,value", [
    ("match", "X-RC", "1"), ("no-match", "X-RC", "-1"), ("nobody", "X-RC", "-4"),
    ("hosts", "X-Hosts", "2 1 192.0.2.1 192.0.2.2 4"), ("services", "X-Services", "2 a.test:5070 20 1"),
    ("pointers", "X-Pointers", "1 10 50 SIP+D2U _sip._udp.one.test"), ("match", "X-Hosts", "<null> <null> <null> <null> <null>")])
def test_what_dns_says(agent, server, user, header, value):
    alice = agent("alice")
    request = alice.send(alice.request("OPTIONS", "sip:%s@%s" % (user, alice.domain)))
    assert alice.expect_reply(200, request)[header] == value


@pytest.mark.viaduct_only("the peer has no parameter for DNS servers")
@pytest.mark.parametrize("user,at_least,at_most", [("kept", 90, 100), ("unkept", 0, 60), ("hosts", 0, 60)])
def test_answers_are_kept_as_long_as_the_script_says(start_server, agent, user, at_least, at_most):
    with DnsServer(RECORDS) as dns:
        server = start_server(head("ipops", "jsonrpcs") + 'workers=1\ndns_servers="%s"\n' % dns.address + ROUTE)
        alice = agent("alice", server=server)
        request = alice.send(alice.request("OPTIONS", "sip:%s@%s" % (user, alice.domain)))
        assert alice.expect_reply(200, request)["X-Hosts"].startswith("2 1 192.0.2.1")
        left = [row["expires"] for row in server.rpc("dns.view") if row["name"] == "one.test"]
        assert left and at_least <= left[0] <= at_most


def test_the_machine_has_a_name(agent, server):
    import socket
    alice = agent("alice")
    request = alice.send(alice.request("OPTIONS", "sip:x@" + alice.domain))
    assert alice.expect_reply(200, request)["X-Host"].split()[0] == socket.gethostname().split(".")[0]
