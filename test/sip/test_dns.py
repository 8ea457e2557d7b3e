# SPDX-License-Identifier: BSD-2-Clause
"""RFC 3263: NAPTR, SRV and addresses from a DNS server of the test; the dns_ parameters."""
import time

import pytest
from settings import START, head
from sipua import Agent
from sipua.dns import DnsServer
from sipua.server import RpcError

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
    found = {(row["type"], row["name"]): row for row in rows}
    assert found["A", "one.test"]["records"][0]["rr_ip"] == "127.0.0.1"
    record = found["SRV", "_sip._udp.two.test"]["records"][0]
    assert [record[key] for key in ("rr_priority", "rr_weight", "rr_port", "rr_name")] == [5, 7, at(bob), "one.test"]
    assert found["A", "none.test"]["negative_entry"] == "yes" and "records" not in found["A", "none.test"]
    assert all(0 < row["expires"] <= 60 and row["process"] and row["permanent"] == "no" for row in rows)
    used, most = ask.rpc("dns.mem_info")
    assert used == sum(row["size_bytes"] for row in rows) <= most
    assert ask.rpc("dns.debug")[:7:6] == [rows[0]["name"], int(rows[0]["negative_entry"] == "yes")]
    assert ask.rpc("dns.lookup", "SRV", "_sip._udp.two.test")["records"][0]["rr_name"] == "one.test"
    ask.rpc("dns.delete_all")
    assert ask.rpc("dns.view") == [] and ask.rpc("dns.mem_info")[0] == 0


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


# ---- what the administrator says ----

def test_own_addresses_come_before_dns(run, phone):
    bob = phone("bob")
    ask, dns, alice = run({("one.test", "A"): ["192.0.2.1"]}, "workers=2")
    ask.rpc("dns.add_a", "ONE.test", 60, "127.0.0.1", 0)
    ask.rpc("dns.add_a", "own.test", 60, "127.0.0.1", 0)
    for name in ("one.test", "own.test"):
        ask("sip:bob@%s:%d" % (name, at(bob)))
        bob.expect_request("OPTIONS")
    assert not dns.questions
    ask.rpc("dns.delete_a", "own.test")
    alice.expect_reply(478, ask("sip:bob@own.test:%d" % at(bob)))
    assert dns.asked("own.test", "A") == 1


def test_own_services(run, phone):
    bob, carol = phone("bob"), phone("carol")
    ask, dns, _ = run({})
    ask.rpc("dns.add_a", "host.test", 60, "127.0.0.1", 2)
    ask.rpc("dns.add_srv", "_sip._udp.one.test", 60, 20, 1, at(bob), "host.test", 0)
    ask.rpc("dns.add_srv", "_sip._udp.one.test", 60, 10, 1, at(carol), "host.test", 0)
    ask("sip:bob@one.test")
    carol.expect_request("OPTIONS")
    ask.rpc("dns.delete_srv", "_sip._udp.one.test")
    ask.rpc("dns.add_srv", "_sip._udp.one.test", 60, 20, 1, at(bob), "host.test", 0)
    ask("sip:bob@one.test")
    bob.expect_request("OPTIONS")
    assert not dns.questions


def test_name_that_is_said_not_to_exist(run, phone):
    bob = phone("bob")
    ask, dns, alice = run({("one.test", "A"): ["127.0.0.1"]})
    ask.rpc("dns.add_a", "one.test", 60, "127.0.0.1", 1)
    alice.expect_reply(478, ask("sip:bob@one.test:%d" % at(bob)))
    ask.rpc("dns.add_a", "one.test", 60, "127.0.0.1", 0)
    ask("sip:bob@one.test:%d" % at(bob))
    bob.expect_request("OPTIONS")
    assert not dns.questions


def test_own_records_end_with_their_time(run, phone):
    bob = phone("bob")
    ask, dns, _ = run({("one.test", "A"): ["127.0.0.1"]})
    ask.rpc("dns.add_a", "one.test", 0, "192.0.2.1", 0)
    ask("sip:bob@one.test:%d" % at(bob))
    bob.expect_request("OPTIONS")
    assert dns.asked("one.test", "A") == 1 and ask.rpc("dns.view")[0]["process"]


def fault(ask, *command):
    with pytest.raises(RpcError) as error:
        ask.rpc(*command)
    return tuple(error.value.args[0][key] for key in ("code", "message"))


def test_permanent_records_go_by_force_only(run):
    ask, _, _ = run({})
    ask.rpc("dns.add_a", "two.test", 60, "127.0.0.1", 2)
    ask.rpc("dns.add_a", "two.test", 60, "127.0.0.2", 2)
    assert fault(ask, "dns.delete_a", "two.test") == (400, "Permanent entries cannot be deleted")
    ask.rpc("dns.delete_all")
    row = ask.rpc("dns.lookup", "A", "two.test")
    assert (row["permanent"], row["expires"]) == ("yes", 0)
    assert [record["rr_ip"] for record in row["records"]] == ["127.0.0.1", "127.0.0.2"]
    ask.rpc("dns.delete_all_force")
    assert ask.rpc("dns.view") == []


def test_wrong_records_are_refused(run):
    ask, _, _ = run({})
    failed = (400, "Failed to add the entry to the cache")
    assert fault(ask, "dns.add_a", "a.test", 60, "nonsense", 0) == failed
    assert fault(ask, "dns.add_a", "a.test", 60, "::1", 0) == failed
    assert fault(ask, "dns.add_aaaa", "a.test", 60, "127.0.0.1", 0) == failed
    assert fault(ask, "dns.add_a", "x" * 256, 60, "127.0.0.1", 0) == failed
    assert fault(ask, "dns.add_a", "a.test", 60, "127.0.0.1")[0] == 400
    for i in range(16):
        ask.rpc("dns.add_a", "a.test", 60, "127.0.0.%d" % i, 0)
    assert fault(ask, "dns.add_a", "a.test", 60, "127.0.0.99", 0) == failed
    for kind in ("aaaa", "srv", "naptr", "cname", "ptr", "txt", "ebl"):
        assert fault(ask, "dns.delete_" + kind, "a.test") == (400, "Not found")
    assert fault(ask, "dns.lookup", "MX", "a.test") == (400, "Invalid type")
    assert fault(ask, "dns.lookup", "TXT", "a.test") == (400, "Not found")


def test_cached_names_are_forgotten_one_by_one(run, phone):
    bob = phone("bob")
    ask, dns, _ = run({("one.test", "A"): ["127.0.0.1"], ("two.test", "A"): ["127.0.0.1"]})
    for name in ("one.test", "two.test"):
        ask("sip:bob@%s:%d" % (name, at(bob)))
        bob.expect_request("OPTIONS")
    ask.rpc("dns.delete_a", "one.test")
    assert [row["name"] for row in ask.rpc("dns.view")] == ["two.test"]


def test_records_of_the_configuration(run, phone, tmp_path):
    bob = phone("bob")
    (tmp_path / "names").write_text("# own names\n\n type=A; name=file.test; addr=127.0.0.1; ttl=60\n"
                                    "type=SRV;name=_sip._udp.srv.test;addr=file.test;port=%d\n" % at(bob))
    ask, dns, alice = run({}, """modparam("corex", "dns_cache", "type=A;name=set.test;addr=127.0.0.1;ttl=60;flags=2")
modparam("corex", "dns_cache", "type=A;name=bad.test;flags=1")
modparam("corex", "dns_file", "%s")""" % (tmp_path / "names"))
    for uri in ("sip:bob@set.test:%d" % at(bob), "sip:bob@file.test:%d" % at(bob), "sip:bob@srv.test"):
        ask(uri)
        bob.expect_request("OPTIONS")
    alice.expect_reply(478, ask("sip:bob@bad.test:%d" % at(bob)))
    assert not dns.questions
