# SPDX-License-Identifier: BSD-2-Clause
"""RFC 3263: NAPTR, SRV and addresses from a DNS server of the test; the dns_ parameters."""
import time

import pytest
from settings import START, head
from sipua import Agent
from sipua.dns import DnsServer

pytestmark = pytest.mark.viaduct_only("the peer asks the DNS servers of the system only")

ROUTES = """
request_route {""" + START + """
	if (!forward())
		sl_send_reply("478", "Unresolvable");
}
"""


@pytest.fixture
def run(start_server, agent):
    """run(records, parameters) starts DNS and a server that forwards by it; gives (ask, dns)."""
    opened = []

    def start(records, parameters="", routes=ROUTES, **options):
        dns = DnsServer(records, **options)
        opened.append(dns)
        server = start_server(head("ctl", "jsonrpcs") + 'workers=1\ndns_servers="%s"\n%s\n' % (dns.address, parameters) + routes)
        server.allow("cannot resolve")
        alice = agent("alice", server=server)

        def ask(uri):
            return alice.send(alice.request("OPTIONS", uri))
        ask.rpc = server.rpc
        return ask, dns, alice
    yield start
    for dns in opened:
        dns.close()


@pytest.fixture
def phone():
    """Makes user agents that exist before the server, so that DNS can name them."""
    made = []

    def make(user):
        made.append(Agent(user))
        return made[-1]
    yield make
    for one in made:
        one.close()


def at(bob):
    return bob.address[1]


def test_srv_says_host_and_port(run, phone):
    bob = phone("bob")
    ask, dns, _ = run({("_sip._udp.one.test", "SRV"): [(10, 5, at(bob), "host.test")],
                       ("host.test", "A"): ["127.0.0.1"]})
    ask("sip:bob@one.test")
    bob.expect_request("OPTIONS")
    assert dns.asked("one.test", "A") == 0


def test_a_port_in_the_uri_needs_no_srv(run, phone):
    bob = phone("bob")
    ask, dns, _ = run({("one.test", "A"): ["127.0.0.1"]})
    ask("sip:bob@one.test:%d" % at(bob))
    bob.expect_request("OPTIONS")
    assert dns.questions == [("one.test", "A")]


def test_srv_targets_are_tried_in_order(run, phone):
    """A target without an address is passed over; a lower priority comes first."""
    bob, carol = phone("bob"), phone("carol")
    ask, _, _ = run({("_sip._udp.one.test", "SRV"): [(20, 0, at(carol), "good.test"), (5, 0, 5060, "gone.test"),
                                                     (10, 0, at(bob), "good.test")],
                     ("good.test", "A"): ["127.0.0.1"]})
    ask("sip:bob@one.test")
    bob.expect_request("OPTIONS")
    carol.expect_nothing()


def test_without_load_balancing_the_heaviest_is_first(run, phone):
    bob, carol = phone("bob"), phone("carol")
    ask, _, _ = run({("_sip._udp.one.test", "SRV"): [(1, 10, at(carol), "good.test"), (1, 30, at(bob), "good.test")],
                     ("good.test", "A"): ["127.0.0.1"]}, "dns_srv_lb=no")
    for _ in range(8):
        ask("sip:bob@one.test")
        bob.expect_request("OPTIONS")
    carol.expect_nothing()


def test_load_balancing_follows_the_weights(run, phone):
    bob, carol = phone("bob"), phone("carol")
    ask, dns, _ = run({("_sip._udp.one.test", "SRV"): [(1, 50, at(carol), "good.test"), (1, 50, at(bob), "good.test")],
                       ("good.test", "A"): ["127.0.0.1"]})
    for _ in range(40):
        ask("sip:bob@one.test")
    bob.expect_request("OPTIONS")  # one in 2^40 that it gets none
    carol.expect_request("OPTIONS")
    assert dns.asked("_sip._udp.one.test", "SRV") == 1


NAPTR = {("one.test", "NAPTR"): [(10, 50, "s", "SIP+D2T", "", "_sip._tcp.tcp.test"),
                                 (20, 50, "u", "SIP+D2U", "!.*!sip:x@y!", ""),
                                 (30, 50, "s", "sip+d2u", "", "_here._udp.two.test")]}


def test_naptr_chooses_a_transport_that_we_have(run, phone):
    bob = phone("bob")
    ask, dns, _ = run({**NAPTR, ("_here._udp.two.test", "SRV"): [(1, 1, at(bob), "host.test")],
                       ("host.test", "A"): ["127.0.0.1"]}, "dns_try_naptr=yes")
    ask("sip:bob@one.test")
    bob.expect_request("OPTIONS")
    assert ("_sip._tcp.tcp.test", "SRV") not in dns.questions


def test_naptr_is_asked_only_when_wanted(run, phone):
    bob = phone("bob")
    ask, dns, _ = run({**NAPTR, ("_sip._udp.one.test", "SRV"): [(1, 1, at(bob), "host.test")],
                       ("host.test", "A"): ["127.0.0.1"]})
    ask("sip:bob@one.test")
    bob.expect_request("OPTIONS")
    assert dns.asked("one.test", "NAPTR") == 0


def test_without_usable_naptr_srv_is_asked(run, phone):
    bob = phone("bob")
    ask, dns, _ = run({("one.test", "NAPTR"): NAPTR["one.test", "NAPTR"][:2],
                       ("_sip._udp.one.test", "SRV"): [(1, 1, at(bob), "host.test")],
                       ("host.test", "A"): ["127.0.0.1"]}, "dns_try_naptr=yes")
    ask("sip:bob@one.test")
    bob.expect_request("OPTIONS")


def test_preference_below_zero_is_never_chosen(run, phone):
    ask, dns, alice = run({("_sip._udp.one.test", "SRV"): [(1, 1, 5060, "host.test")]}, "dns_udp_pref=-1")
    alice.expect_reply(478, ask("sip:bob@one.test"))
    assert dns.asked("_sip._udp.one.test", "SRV") == 0


# ---- the cache ---------------------------------------------------------------------------------


def forward_twice(run, phone, parameters, **options):
    bob = phone("bob")
    ask, dns, _ = run({("one.test", "A"): ["127.0.0.1"]}, parameters, **options)
    for _ in range(2):
        ask("sip:bob@one.test:%d" % at(bob))
        bob.expect_request("OPTIONS")
    return dns.asked("one.test", "A")


@pytest.mark.parametrize("parameters, ttl, questions", [
    ("", 60, 1), ("", 0, 1), ("use_dns_cache=no", 60, 2), ("dns_cache_init=off", 60, 2),
    ("dns_cache_min_ttl=30", 0, 1), ("dns_cache_max_ttl=0", 60, 2)])
def test_answers_are_kept(run, phone, parameters, ttl, questions):
    """A TTL of 0 counts for a second, so that the branches of one request agree."""
    assert forward_twice(run, phone, parameters, ttl=ttl) == questions


@pytest.mark.parametrize("parameters, questions", [("", 1), ("dns_cache_negative_ttl=0", 3)])
def test_missing_names_are_remembered(run, parameters, questions):
    ask, dns, alice = run({}, parameters)
    for _ in range(3):
        alice.expect_reply(478, ask("sip:bob@none.test:5070"))
    assert dns.asked("none.test", "A") == questions


def test_commands_show_what_all_processes_remember(run, phone):
    bob = phone("bob")
    ask, _, alice = run({("one.test", "A"): ["127.0.0.1"], ("_sip._udp.two.test", "SRV"): [(5, 7, at(bob), "one.test")]},
                        "dns_try_naptr=no")
    for uri in ("sip:bob@one.test:%d" % at(bob), "sip:bob@two.test"):
        ask(uri)
        bob.expect_request("OPTIONS")
    alice.expect_reply(478, ask("sip:bob@none.test:5070"))
    rows = ask.rpc("dns.view")
    found = {(row["type"], row["name"]): (row.get("record"), row["negative"]) for row in rows}
    assert found[("A", "one.test")] == ("127.0.0.1", "no")
    assert found[("SRV", "_sip._udp.two.test")] == ("5 7 %d one.test" % at(bob), "no")
    assert found[("A", "none.test")] == (None, "yes")
    assert all(0 < row["expires_in_s"] <= 60 and row["process"] for row in rows)
    info = ask.rpc("dns.mem_info")
    assert info["entries"] == len(rows) and info["used"] == sum(row["size_bytes"] for row in rows)
    ask.rpc("dns.delete_all")
    assert ask.rpc("dns.view") == [] and ask.rpc("dns.mem_info")["used"] == 0


def test_time_to_live_ends(run, phone):
    bob = phone("bob")
    ask, dns, _ = run({("one.test", "A"): ["127.0.0.1"]}, ttl=1)
    deadline = time.monotonic() + 10
    while dns.asked("one.test", "A") < 2:
        assert time.monotonic() < deadline
        ask("sip:bob@one.test:%d" % at(bob))
        bob.expect_request("OPTIONS")


def test_a_full_cache_keeps_no_new_names(run, phone):
    bob = phone("bob")
    records = {("n%d.test" % i, "A"): ["127.0.0.1"] for i in range(20)}
    ask, dns, _ = run(records, "dns_cache_mem=1")
    for _ in range(2):
        for i in range(20):
            ask("sip:bob@n%d.test:%d" % (i, at(bob)))
            bob.expect_request("OPTIONS")
    assert dns.asked("n0.test", "A") == 1
    assert dns.asked("n19.test", "A") == 2


def test_a_full_cache_forgets_when_it_may(run, phone):
    bob = phone("bob")
    records = {("n%d.test" % i, "A"): ["127.0.0.1"] for i in range(20)}
    ask, dns, _ = run(records, "dns_cache_mem=1\ndns_cache_del_nonexp=yes")
    for i in list(range(20)) + [19]:
        ask("sip:bob@n%d.test:%d" % (i, at(bob)))
        bob.expect_request("OPTIONS")
    assert dns.asked("n19.test", "A") == 1


# ---- families, time-outs -----------------------------------------------------------------------


def test_ipv6_only_when_the_server_speaks_it(run):
    ask, dns, alice = run({("one.test", "AAAA"): ["::1"]})
    alice.expect_reply(478, ask("sip:bob@one.test:5070"))
    assert dns.asked("one.test", "AAAA") == 0


def test_a_silent_server_is_asked_as_often_as_wanted(run):
    ask, dns, alice = run({}, "dns_retr_no=1\ndns_retr_time=1", silent=["slow.test"])
    alice.expect_reply(478, ask("sip:bob@slow.test:5070"), timeout=8)
    assert dns.asked("slow.test", "A") == 1


def test_messages_do_not_wait_for_the_dns_of_others(run, phone):
    """One worker: a question without an answer parks its message only."""
    bob = phone("bob")
    ask, dns, alice = run({("one.test", "A"): ["127.0.0.1"]}, "dns_retr_no=1\ndns_retr_time=1", silent=["slow.test"])
    slow = ask("sip:bob@slow.test:5070")
    ask("sip:bob@one.test:%d" % at(bob))
    bob.expect_request("OPTIONS")
    alice.expect_reply(478, slow, timeout=8)
