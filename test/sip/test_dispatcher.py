# SPDX-License-Identifier: BSD-2-Clause
"""Module dispatcher: sets of destinations, ways to choose, states. The results are the peer's."""
import json
import os
import random
import threading

import pytest
from settings import START, head
from sipua import Agent
from sipua.server import RpcError, Server, find_program, free_address
from tables import Sqlite, wait_for
from test_kamctl import kamctl

MANY = 97
LIST = """# set URI flags priority attributes
1 sip:127.0.0.1:7001 0 0 duid=a;weight=20;rweight=10
1 sip:127.0.0.1:7002;transport=tcp 0 10 duid=b;weight=30;rweight=20;maxload=1;socket=udp:@SOCKET@
1 sip:127.0.0.1:7003 0 5 duid=c;weight=40;rweight=30
1 sip:127.0.0.1:7004 0 5 duid=d;my=x
2 sip:127.0.0.2:7001 8 1
2 sip:127.0.0.2:7002 1 2 duid=q
2 sip:127.0.0.2:7003 4
2 sip:127.0.0.2:7004 2
2 sip:127.0.0.2:7005 16
3 sip:127.0.0.3:5060
3 sip:127.0.0.3:5070 0 0 x=1
4 sip:127.0.0.4:1 0 1 weight=25;rweight=1
4 sip:127.0.0.4:2 0 2 weight=50;rweight=2
4 sip:127.0.0.4:3 0 3 weight=25;rweight=1
10 sips:127.0.0.10
""" + "".join("50 sip:127.0.1.%d:6000\n" % i for i in range(MANY))

MARKS = "".join("""	if ($hdr(X-Do) == "mark-%s") { ds_select_dst("$var(set)", "$var(alg)"); ds_mark_dst("%s"); }
""" % (mark, mark) for mark in ("i", "ip", "t", "tp", "a", "ap", "d", "dp", "p", "I", "x", "ax"))
ROUTE = """
request_route {
""" + START + """
	$var(set) = $(hdr(X-Set){s.int});
	$var(alg) = $(hdr(X-Alg){s.int});
	$var(limit) = $(hdr(X-Limit){s.int});
	$var(mode) = $(hdr(X-Mode){s.int});
	if ($hdr(X-Do) == "dst") ds_select_dst("$var(set)", "$var(alg)");
	if ($hdr(X-Do) == "dst-limit") ds_select_dst("$var(set)", "$var(alg)", "$var(limit)");
	if ($hdr(X-Do) == "domain") ds_select_domain("$var(set)", "$var(alg)");
	if ($hdr(X-Do) == "select") ds_select("$var(set)", "$var(alg)");
	if ($hdr(X-Do) == "routes") ds_select_routes("$hdr(X-Rules)", "$hdr(X-Where)");
	if ($hdr(X-Do) == "from") ds_is_from_list();
	if ($hdr(X-Do) == "from-set") ds_is_from_list("$var(set)");
	if ($hdr(X-Do) == "from-mode") ds_is_from_list("$var(set)", "$var(mode)");
	if ($hdr(X-Do) == "from-uri") ds_is_from_list("$var(set)", "$var(mode)", "$hdr(X-Uri)");
	if ($hdr(X-Do) == "exists") ds_list_exists("$var(set)");
	if ($hdr(X-Do) == "active") ds_is_active("$var(set)");
	if ($hdr(X-Do) == "active-uri") ds_is_active("$var(set)", "$hdr(X-Uri)");
	if ($hdr(X-Do) == "next") { ds_select_dst("$var(set)", "$var(alg)"); ds_next_dst(); }
	if ($hdr(X-Do) == "next-domain") { ds_select_domain("$var(set)", "$var(alg)"); ds_next_domain(); }
	if ($hdr(X-Do) == "set-dst") { ds_select("$var(set)", "$var(alg)"); ds_set_dst(); }
	if ($hdr(X-Do) == "set-domain") { ds_select("$var(set)", "$var(alg)"); ds_set_domain(); }
	if ($hdr(X-Do) == "again") { $du = "sip:192.0.2.1"; ds_select_dst("$var(set)", "$var(alg)"); }
""" + MARKS + """
	if ($hdr(X-Do) == "mark") { ds_select_dst("$var(set)", "$var(alg)"); ds_mark_dst(); }
	if ($hdr(X-Do) == "update") ds_load_update();
	if ($hdr(X-Do) == "unset") ds_load_unset();
	if ($hdr(X-Do) == "select-unset") { ds_select_dst("$var(set)", "$var(alg)"); ds_load_unset(); }
	if ($hdr(X-Do) == "reload") ds_reload();
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\nX-Du: $du\\r\\nX-Ru: $ru\\r\\nX-Fs: $fs\\r\\n");
	append_to_reply("X-Found: $avp(set) $avp(attrs)\\r\\nX-Count: $xavp(_dsctx_=>cnt)\\r\\nX-Ds: $ds\\r\\n");
	$var(i) = 0;
	while ($var(i) < 8 && $xavp(_dsdst_[$var(i)]) != $null) {
		append_to_reply("X-Dst: $xavp(_dsdst_[$var(i)]=>grp)|$xavp(_dsdst_[$var(i)]=>uri)|$xavp(_dsdst_[$var(i)]=>dstid)|$xavp(_dsdst_[$var(i)]=>attrs)\\r\\n");
		$var(i) = $var(i) + 1;
	}
	sl_send_reply("200", "Done");
}
event_route[dispatcher:dst-down] {
	xlog("L_NOTICE", "down: $rm $ru\\n");
}
event_route[dispatcher:dst-up] {
	xlog("L_NOTICE", "up: $rm $ru\\n");
}
"""
ALLOWED = ["dispatcher", "print_dset", "lval_", "jsonrpc_scan", "unknown address family"]


def config(path, **settings):
    values = {"list_file": '"%s"' % path, "flags": 2, "hash_pvar": '"$hdr(X-Key)"', "ds_hash_size": 4,
              "setid_pvname": '"$avp(set)"', "attrs_pvname": '"$avp(attrs)"', "reload_delta": 0, **settings}
    return head("db_sqlite", "dispatcher", "jsonrpcs", "cfg_rpc", "ctl", jsonrpcs__transport=4,
                **{"dispatcher__" + name: value for name, value in values.items()}) + ROUTE


class Client:
    """Asks for one function and shows what it did, with short names of the destinations."""

    def __init__(self, server, user="alice"):
        self.server, self.alice = server, Agent(user, server=server.address)

    def ask(self, do, uri="sip:bob@example.org", method="OPTIONS", headers=(), call_id=None,
            from_=None, to=None, **given):
        extra = [("X-" + name.capitalize(), str(value)) for name, value in given.items()]
        request = self.alice.request(method, uri, headers=[("X-Do", do)] + extra + list(headers),
                                     call_id=call_id, from_=from_, to=to)
        self.alice.send(request)
        return self.alice.expect_reply(200, request)

    def rc(self, do, **given):
        return int(self.ask(do, **given)["X-RC"])

    def du(self, do, **given):
        reply = self.ask(do, **given)
        return reply["X-Du"].rpartition(":")[2] if reply["X-RC"] == "1" else None

    def kept(self, do, **given):
        """(result, ports of what was kept)."""
        reply = self.ask(do, **given)
        uris = [row.split("|")[1] for row in reply.all("X-Dst")]
        return int(reply["X-RC"]), [uri.split(":")[2].partition(";")[0] for uri in uris]

    def sets(self, *mode):
        listed = self.server.rpc("dispatcher.list", *mode)
        assert listed["NRSETS"] == len(listed["RECORDS"])
        return {record["SET"]["ID"]: [target["DEST"] for target in record["SET"]["TARGETS"]]
                for record in listed["RECORDS"]}

    def flags(self, number):
        return [row["FLAGS"] for row in self.sets()[number]]

    def loads(self, number):
        return [row["RUNTIME"]["DLGLOAD"] for row in self.sets()[number]]

    def close(self):
        self.alice.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("dispatcher")


def with_list(place, text=LIST, **settings):
    """Configuration and arguments of a server whose second socket the list names."""
    socket = "%s:%d" % free_address()
    (place / socket).write_text(text.replace("@SOCKET@", socket))
    return {"config": config(place / socket, **settings), "arguments": ("-l", "udp:" + socket)}


@pytest.fixture(scope="module")
def server(launch, place):
    return launch(**with_list(place))


@pytest.fixture
def client(server):
    client = Client(server)
    server.rpc("dispatcher.reload")
    yield client
    client.close()


@pytest.fixture
def client_of(start_server, tmp_path):
    made = []

    def start(text=LIST, **settings):
        made.append(Client(start_server(**with_list(tmp_path, text, **settings))))
        return made[-1]
    yield start
    for one in made:
        one.close()


# ---- choosing ---------------------------------------------------------------------------------------

ALL = ["7002", "7004", "7003", "7001"]  # set 1 by priority, of two with the same the later one first


def rotated(first):
    return ALL[ALL.index(first):] + ALL[:ALL.index(first)]


def test_priority_decides_and_the_others_follow(client):
    assert client.kept("dst", set=1, alg=8) == (1, ALL)
    assert client.kept("dst", set=2, alg=8) == (1, ["7001", "7005", "7004"])
    assert client.rc("dst", set=99, alg=8) == -1


def test_round_robin_takes_turns_among_those_in_use(client):
    assert [client.du("dst", set=1, alg=4) for _ in range(5)] == \
        ["7002;transport=tcp", "7004", "7003", "7001", "7002;transport=tcp"]
    for uri in ("sip:127.0.0.1:7003", "sip:127.0.0.1:7001"):
        client.server.rpc("dispatcher.set_state", "i", 1, uri)
    first = client.du("dst", set=1, alg=4)
    assert {first, client.du("dst", set=1, alg=4)} == {"7002;transport=tcp", "7004"}
    assert client.du("dst", set=1, alg=4) == first


@pytest.mark.parametrize("key,first", [("abc", "7003"), ("a", "7004"), ("b", "7003"), ("ab", "7003")])
def test_a_hash_chooses_and_goes_on_when_that_one_is_inactive(client, key, first):
    assert client.kept("dst", set=1, alg=7, key=key) == (1, rotated(first))
    client.server.rpc("dispatcher.set_state", "i", 1, "sip:127.0.0.1:" + first)
    rest = rotated(first)[1:]
    assert client.kept("dst", set=1, alg=7, key=key) == (1, rest)


@pytest.mark.parametrize("algorithm", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
def test_nothing_is_chosen_when_all_are_inactive(client, algorithm):
    client.server.rpc("dispatcher.set_state", "i", 1, "all")
    assert client.rc("dst", set=1, alg=algorithm, key="x") == -1


@pytest.mark.parametrize("algorithm", [9, 11])
def test_weights_are_kept_over_a_hundred_requests(client, algorithm):
    got = [client.du("dst", set=4, alg=algorithm) for _ in range(100)]
    assert [got.count(port) for port in "123"] == [25, 50, 25]


def test_relative_weights_are_shared_by_those_in_use(client):
    client.server.rpc("dispatcher.set_state", "i", 4, "sip:127.0.0.4:1")
    got = [client.du("dst", set=4, alg=11) for _ in range(100)]
    counts = [got.count(port) for port in "123"]
    assert counts[0] == 0 and counts[1] in (66, 67) and counts[2] in (33, 34)


def test_random_reaches_all(client):
    assert {client.du("dst", set=4, alg=6) for _ in range(60)} == set("123")


def test_all_at_once_makes_branches(client):
    reply = client.ask("dst", set=4, alg=12)
    assert (reply["X-RC"], reply["X-Count"]) == ("1", "0")
    assert reply["X-Ds"].count("<sip:bob@example.org>") == 2
    assert not reply.all("X-Dst")


def test_all_at_once_with_domains(client):
    reply = client.ask("domain", set=4, alg=12)
    assert reply["X-Ru"] == "sip:bob@127.0.0.4:3"
    assert "<sip:bob@127.0.0.4:2>" in reply["X-Ds"] and "<sip:bob@127.0.0.4:1>" in reply["X-Ds"]


@pytest.mark.parametrize("limit,count", [(0, 4), (1, 1), (2, 2), (3, 3), (9, 4)])
def test_a_limit_keeps_fewer(client, limit, count):
    reply = client.ask("dst-limit", set=1, alg=8, limit=limit)
    assert len(reply.all("X-Dst")) == count == int(reply["X-Count"])


@pytest.mark.parametrize("uri,number,result", [
    ("sip:bob@example.org", 1, "sip:bob@127.0.0.1:7002;transport=tcp"),
    ("sip:example.org", 1, "sip:127.0.0.1:7002;transport=tcp"),
    ("sip:+1234;x=y:pw@h.org:99;transport=tls?a=b", 1, "sip:+1234;x=y:pw@127.0.0.1:7002;transport=tcp"),
    ("sip:bob@example.org", 10, "sip:bob@127.0.0.10")])
def test_domain_rewrites_the_request_uri(client, uri, number, result):
    reply = client.ask("domain", uri=uri, set=number, alg=8)
    assert (reply["X-RC"], reply["X-Ru"], reply["X-Du"]) == ("1", result, "<null>")


def test_next_goes_through_what_was_kept(client):
    assert client.kept("next", set=1, alg=8) == (1, ALL[1:])
    assert client.du("next", set=1, alg=8) == "7004"
    assert client.ask("next-domain", set=1, alg=8)["X-Ru"] == "sip:bob@127.0.0.1:7004"
    assert client.kept("next", set=10, alg=8) == (-1, [])


def test_select_only_keeps_until_set(client):
    reply = client.ask("select", set=1, alg=8)
    assert (reply["X-RC"], reply["X-Du"], reply["X-Ru"]) == ("1", "<null>", "sip:bob@example.org")
    assert client.du("set-dst", set=1, alg=8) == "7002;transport=tcp"
    assert client.ask("set-domain", set=1, alg=8)["X-Ru"] == "sip:bob@127.0.0.1:7002;transport=tcp"


@pytest.mark.parametrize("rules,where,result,du,count", [
    ("1=8;3=8", "d", 1, "sip:127.0.0.1:7002;transport=tcp", "6"),
    ("1=8;3=8", "x", 1, "<null>", "6"),
    ("99=8;3=8", "0", 1, "sip:127.0.0.3:5070", "2"),
    ("3=8;1=12", "dst", 1, "sip:127.0.0.3:5070", "2"),
    ("3=8;", "D", 1, "sip:127.0.0.3:5070", "2"),
    ("1=8,3=8", "d", -1, "<null>", "<null>"), ("junk", "d", -1, "<null>", "<null>"),
    ("3=8", "z", -1, "<null>", "<null>")])
def test_routes_combine_sets(client, rules, where, result, du, count):
    reply = client.ask("routes", rules=rules, where=where)
    assert (int(reply["X-RC"]), reply["X-Du"], reply["X-Count"]) == (result, du, count)


def test_the_default_comes_last(client_of):
    client = client_of(use_default=1, ds_attrs_none=1, force_dst=0)
    assert client.kept("dst", set=1, alg=8) == (1, ALL)
    assert client.kept("dst", set=1, alg=7, key="c") == (1, ALL)
    assert client.kept("dst", set=1, alg=7, key="a") == (1, ["7004", "7003", "7002", "7001"])
    turns = [client.du("dst", set=1, alg=4) for _ in range(4)]
    assert turns == ["7002;transport=tcp", "7004", "7003", "7002;transport=tcp"]
    for port in ("7002;transport=tcp", "7003", "7004"):
        client.server.rpc("dispatcher.set_state", "i", 1, "sip:127.0.0.1:" + port)
    for algorithm in (0, 4, 8):
        assert client.kept("dst", set=1, alg=algorithm) == (1, ["7001"])
    assert client.rc("again", set=1, alg=8) == -1
    assert client.ask("dst", set=3, alg=8).all("X-Dst")[1].endswith("|none=yes")


def test_without_failover_nothing_is_kept(client_of):
    client = client_of(flags=1)
    reply = client.ask("dst", set=1, alg=8)
    assert (reply["X-RC"], reply["X-Count"], reply.all("X-Dst")) == ("1", "0", [])
    assert client.rc("next", set=1, alg=8) == -1
    assert client.rc("mark-i", set=1, alg=8) == -1
    assert client.ask("dst", set=50, alg=3, uri="sip:bob@a.org")["X-Du"] == \
        client.ask("dst", set=50, alg=3, uri="sip:bob@b.org:99")["X-Du"]


def test_sockets_of_destinations(client):
    socket = client.sets()[1][0]["ATTRS"]["SOCKET"]
    assert client.ask("dst", set=1, alg=8)["X-Fs"] == socket
    assert client.ask("next", set=1, alg=8)["X-Du"] == "sip:127.0.0.1:7004"
    assert client.ask("dst", set=3, alg=8)["X-Fs"] == "<null>"


# ---- the same hashes as the peer --------------------------------------------------------------------

URIS = ["sip:alice@x.org", "sip:Alice@X.org", "sip:alice@x.org:5060", "sip:alice@x.org:5070", "sips:alice@x.org:5061",
        "sips:alice@x.org:5060", "sip:x.org", "sip:alice;p=1@x.org;transport=tcp", "sip:alice:pw@x.org",
        "tel:+4930123456", "sip:alice@x.org:5061", "sip:alice@[2001:db8::1]:5070", "sip:%C3%BC@x.org"]


@pytest.fixture(scope="module")
def pair(server, place, program):
    """Our server and the peer, with the same configuration."""
    if program == "kamailio" or not find_program("kamailio"):
        pytest.skip("needs both servers")
    peer = Server(program="kamailio", **with_list(place))
    clients = Client(server), Client(peer)
    yield clients
    for client in clients:
        client.close()
    peer.discard()


def same(pair, *args, **kwargs):
    ours, theirs = (client.ask(*args, **kwargs)["X-Du"] for client in pair)
    assert ours == theirs and ours.startswith("sip:")


@pytest.mark.parametrize("uri", URIS)
def test_uris_lead_to_the_same_destination_as_in_the_peer(pair, uri):
    same(pair, "dst", set=50, alg=1, from_="<%s>;tag=1" % uri)
    same(pair, "dst", set=50, alg=2, to="<%s>" % uri)
    same(pair, "dst", set=50, alg=3, uri=uri)


def test_texts_lead_to_the_same_destination_as_in_the_peer(pair):
    chance = random.Random(50)
    for length in range(1, 30):
        text = "".join(chance.choice("abcdefgh0123456789.-@%") for _ in range(length))
        same(pair, "dst", set=50, alg=0, call_id=text)
        same(pair, "dst", set=50, alg=7, key=text)
        text = text.replace("@", "")
        given = {"headers": [("Authorization", 'Digest username="%s", realm="x", nonce="n", uri="sip:x", response="%032d"'
                              % (text, 1))]}
        same(pair, "dst", set=50, alg=5, **given)


def test_the_command_hash_counts_as_the_peer(pair):
    chance = random.Random(51)
    for length in range(0, 24):
        text = "".join(chance.choice("abcdefgh0123456789.-\u00fc\u20ac") for _ in range(length))
        for args in ((0, text), (7, text, text[::-1]), (4, "bob", text)):
            ours, theirs = (client.server.rpc("dispatcher.hash", *args) for client in pair)
            assert ours == theirs


# ---- who sends? ---------------------------------------------------------------------------------------

FROM = [
    # URI, mode, set and attributes that are found
    ("sip:127.0.0.1:7001", 0, "1 duid=a;weight=20;rweight=10"), ("sip:127.0.0.1:7001", 1, "1 duid=d;my=x"),
    ("sip:127.0.0.1:7002", 0, None), ("sip:127.0.0.1:7002;transport=tcp", 4, "1 duid=b"),
    ("sip:127.0.0.1:7002", 2, "1 duid=b"), ("sip:127.0.0.1:9999", 0, None), ("sip:127.0.0.1:9999", 3, "1 duid=b"),
    ("sip:127.0.0.2:7003", 0, "2 <null>"), ("sip:127.0.0.2:7003", 4, None), ("sip:127.0.0.10:5061", 0, "10 <null>"),
    ("sip:127.0.0.2:7005", 0, None), ("sip:127.0.0.2:7005", 1, "2 duid=q"), ("sip:127.0.0.3:5060", 0, "3 <null>"),
    ("sip:127.0.0.1:7001;transport=tcp", 0, None), ("bogus", 3, None)]


@pytest.mark.parametrize("uri,mode,found", FROM)
def test_addresses_are_found_in_the_list(client, uri, mode, found):
    reply = client.ask("from-uri", set=-1, mode=mode, headers=[("X-Uri", uri)])
    assert int(reply["X-RC"]) == (1 if found else -1)
    assert reply["X-Found"].startswith(found or "<null> <null>")


def test_the_source_is_found_when_it_is_in_the_list(client):
    for do in ("from", "from-set", "from-mode"):
        assert client.rc(do, set=1, mode=0) == -1
    client.server.rpc("dispatcher.add", 60, "sip:%s" % client.alice.host_port)
    reply = client.ask("from")
    assert (reply["X-RC"], reply["X-Found"].split()[0]) == ("1", "60")
    assert client.rc("from-set", set=60) == 1
    assert client.rc("from-set", set=2) == -1
    assert client.rc("from-mode", set=60, mode=2) == 1
    assert client.rc("from-mode", set=60, mode=7) == 1


@pytest.mark.viaduct_only("the peer takes a URI without transport for none, which nobody uses")
def test_a_destination_without_transport_sends_by_udp(client):
    client.server.rpc("dispatcher.add", 60, "sip:%s" % client.alice.host_port)
    assert client.rc("from-mode", set=60, mode=0) == 1


@pytest.mark.parametrize("number,exists", [(1, 1), (2, 1), (99, -1), (0, -1)])
def test_sets_exist(client, number, exists):
    assert client.rc("exists", set=number) == exists
    assert client.rc("active", set=number) == exists


@pytest.mark.parametrize("number,uri,result", [
    (1, "sip:127.0.0.1:7001", 1), (1, "sip:127.0.0.1:7002", -1), (1, "sip:127.0.0.1:7002;transport=tcp", 1),
    (2, "sip:127.0.0.2:7002", -1), (2, "sip:127.0.0.2:7003", -1), (2, "sip:127.0.0.2:7004", 1),
    (3, "sip:127.0.0.3", -1)])
def test_single_destinations_are_active_or_not(client, number, uri, result):
    assert client.rc("active-uri", set=number, headers=[("X-Uri", uri)]) == result


# ---- states -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mark,result,flags", [
    ("i", 1, "IX"), ("ip", 1, "IP"), ("t", 1, "IX"), ("tp", 1, "IP"), ("a", 1, "AX"), ("ap", 1, "AP"),
    ("d", 1, "DX"), ("dp", 1, "DX"), ("p", 1, "AP"), ("I", 1, "IX"), ("x", -1, "AX"), ("ax", -1, "AX")])
def test_the_script_marks(client, mark, result, flags):
    assert client.rc("mark-" + mark, set=3, alg=8) == result
    assert client.flags(3) == [flags, "AX"]


def test_a_mark_without_a_state_is_inactive_and_told(client):
    assert client.rc("mark", set=3, alg=8) == 1
    assert client.flags(3) == ["IX", "AX"]
    client.server.wait_log("down: OPTIONS sip:bob@example.org")


def test_some_failures_are_tried_on(client_of):
    client = client_of(ds_probing_threshold=3, flags=2)
    seen = []
    for _ in range(3):
        client.rc("mark-t", set=3, alg=8)
        seen.append(client.flags(3)[0])
    assert seen == ["TX", "TX", "IX"]


@pytest.mark.parametrize("args,answer,flags", [
    (("ip", 3, "sip:127.0.0.3:5060"), "Ok. Dispatcher state updated.", ["AX", "IP"]),
    (("tp", 3, "all"), "Ok. Dispatcher state updated.", ["TP", "TP"]),
    (("dp", 3, "all"), "Ok. Dispatcher state updated.", ["DX", "DX"]),
    (("i", 99, "all"), "Ok. Dispatcher state updated.", ["AX", "AX"]),
    (("x", 3, "all"), "Unknown State Value", ["AX", "AX"]), (("p", 3, "all"), "Unknown State Value", ["AX", "AX"]),
    (("i", 3, "sip:nobody"), "State Update Failed", ["AX", "AX"]), (("i", 3), "Invalid Parameters", ["AX", "AX"])])
def test_commands_set_states(client, args, answer, flags):
    assert call(client.server, "dispatcher.set_state", *args) == answer
    assert client.flags(3) == flags


def test_commands_set_states_by_duid(client):
    assert call(client.server, "dispatcher.set_duid_state", "ip", 1, "b") == "Ok. Dispatcher state updated."
    assert client.flags(1) == ["IP", "AX", "AX", "AX"]
    assert call(client.server, "dispatcher.set_duid_state", "a", 1, "zz") == "State Update Failed"


def call(server, *args):
    try:
        return server.rpc(*args)
    except RpcError as error:
        return error.args[0]["message"]


def test_destinations_come_and_go(client):
    server = client.server
    for args in ((7, "sip:127.0.0.7:1"), (7, "sip:127.0.0.7:2", 8, 3, "duid=z"), (7, "sip:127.0.0.7:1")):
        assert call(server, "dispatcher.add", *args) == "Ok. Dispatcher destination added."
    assert [row["URI"][-1] for row in client.sets()[7]] == ["2", "1", "1"]
    server.rpc("dispatcher.set_state", "d", 7, "sip:127.0.0.7:2")
    assert call(server, "dispatcher.remove", 7, "sip:127.0.0.7:1") == "Ok. Dispatcher destination removed."
    assert client.flags(7) == ["DX"]
    for args in ((7, "sip:nothere"), (77, "sip:nothere")):
        assert call(server, "dispatcher.remove", *args) == "Removing dispatcher dst failed"
    for args in ((), (7,)):
        assert call(server, "dispatcher.add", *args) == "Invalid Parameters"
    server.rpc("dispatcher.remove", 7, "sip:127.0.0.7:2")
    assert 7 not in client.sets()


def test_the_list_shows_everything(client):
    row = client.sets()[1][0]
    socket = row["ATTRS"]["SOCKET"]
    assert row == {"URI": "sip:127.0.0.1:7002;transport=tcp", "FLAGS": "AX", "PRIORITY": 10, "RUNTIME": {"DLGLOAD": 0},
                   "ATTRS": {"BODY": "duid=b;weight=30;rweight=20;maxload=1;socket=" + socket, "DUID": "b",
                             "MAXLOAD": 1, "WEIGHT": 30, "RWEIGHT": 20, "SOCKET": socket, "SOCKNAME": None,
                             "OBPROXY": None}}
    assert client.sets("short")[1][1] == {"URI": "sip:127.0.0.1:7004", "FLAGS": "AX", "PRIORITY": 5,
                                          "RUNTIME": {"DLGLOAD": 0}}
    full = client.sets("full")[1][0]
    assert (full["HOST"], full["IPADDR"], full["PORT"], full["PROTOID"]) == ("127.0.0.1", "127.0.0.1", 7002, 2)
    assert client.flags(2) == ["IX", "AP", "AX", "TX", "DX"]


def test_a_reload_forgets_states_and_an_early_one_is_refused(client, client_of):
    client.server.rpc("dispatcher.set_state", "i", 3, "all")
    assert client.rc("reload") == 1
    assert client.flags(3) == ["AX", "AX"]
    slow = client_of(reload_delta=60)
    assert slow.server.rpc("dispatcher.reload") == "Ok. Dispatcher successfully reloaded."
    assert "ngoing reload" in call(slow.server, "dispatcher.reload")


def test_a_broken_file_changes_nothing(client_of, tmp_path):
    client = client_of(ds_load_mode=1)
    for path in tmp_path.glob("127.*"):
        path.write_text("1 sip:127.0.0.1:1\n2 bogus\n")
    assert call(client.server, "dispatcher.reload") != "Ok. Dispatcher successfully reloaded."
    assert len(client.sets()[1]) == 4


def test_the_list_changes_under_load(client):
    stop, errors = threading.Event(), []

    def change():
        while not stop.is_set():
            for name, *args in (("add", 3, "sip:127.0.0.3:5090"), ("remove", 3, "sip:127.0.0.3:5090"), ("reload",)):
                answer = call(client.server, "dispatcher." + name, *args)
                if not answer.startswith("Ok."):
                    errors.append(answer)
    thread = threading.Thread(target=change)
    thread.start()
    try:
        for number in range(150):
            assert client.rc("dst", set=3, alg=number % 9, key=str(number)) == 1
    finally:
        stop.set()
        thread.join()
    assert not errors


@pytest.mark.viaduct_only("a dead process ends the peer")
def test_states_outlive_a_worker(client_of):
    client = client_of()
    client.server.allow("died|killed|signal")
    client.rc("mark-ip", set=3, alg=8)
    workers = [row["PID"] for row in client.server.rpc("core.psx") if "worker" in row["DSC"] or "receiver" in row["DSC"]]
    assert workers
    for pid in workers:
        os.kill(pid, 9)
    wait_for(lambda: not any(os.path.exists("/proc/%d" % pid) for pid in workers), "the workers live")
    assert client.flags(3) == ["IP", "AX"]
    assert client.du("dst", set=3, alg=8) == "5060"


# ---- loads --------------------------------------------------------------------------------------------------

def test_calls_go_where_there_are_fewest(client_of):
    client = client_of()

    def invite(call_id, do="dst"):
        reply = client.ask(do, method="INVITE", set=1, alg=10, call_id=call_id)
        return [row.split("|")[2] for row in reply.all("X-Dst")]
    assert invite("c1") == ["b", "d", "c", "a"] and client.loads(1) == [1, 0, 0, 0]
    assert invite("c1") == ["<null>"] * 4 and client.loads(1) == [1, 0, 0, 0]
    assert invite("c2") == ["d", "c", "a"] and client.loads(1) == [1, 1, 0, 0]
    assert invite("c3") == ["c", "a", "d"] and invite("c4") == ["a", "d", "c"]
    assert invite("c5") == ["d", "c", "a"] and client.loads(1) == [1, 2, 1, 1]
    client.ask("update", method="BYE", call_id="c2")
    client.ask("update", method="CANCEL", call_id="c3")
    client.ask("unset", method="INVITE", call_id="c4")
    client.ask("update", method="BYE", call_id="unknown")
    assert client.loads(1) == [1, 1, 0, 1]
    assert invite("c7", "next") == ["a", "d"] and client.loads(1) == [1, 1, 0, 2]
    assert invite("c8", "select-unset")[0] == "c" and client.loads(1) == [1, 1, 0, 2]
    assert client.ask("dst", method="INVITE", set=2, alg=10, call_id="c9")["X-Du"] == "sip:127.0.0.2:7001"


@pytest.mark.viaduct_only("the peer forgets the calls")
def test_calls_are_counted_again_after_a_reload(client_of):
    client = client_of()
    for number in range(3):
        client.ask("dst", method="INVITE", set=1, alg=10, call_id="r%d" % number)
    assert client.loads(1) == [1, 1, 1, 0]
    client.server.rpc("dispatcher.reload")
    assert client.loads(1) == [1, 1, 1, 0]
    client.ask("update", method="BYE", call_id="r0")
    assert client.loads(1) == [0, 1, 1, 0]


def test_calls_that_nobody_ends_are_forgotten(client_of):
    client = client_of(ds_hash_initexpire=1, ds_hash_check_interval=1)
    client.ask("dst", method="INVITE", set=1, alg=10, call_id="e1")
    wait_for(lambda: client.loads(1) == [0, 0, 0, 0], "the call is still counted")


@pytest.mark.viaduct_only("our own tool")
def test_kamctl_shows_and_reloads(start_server, tmp_path):
    given = with_list(tmp_path)
    given["config"] = given["config"].replace('"transport", 4', '"transport", 7')
    server = start_server(**given)
    server.rpc("dispatcher.set_state", "ip", 3, "all")
    code, out, err = kamctl(server.rundir, "dispatcher", "dump")
    assert code == 0, err
    rows = [record["SET"] for record in json.loads(out)["result"]["RECORDS"] if record["SET"]["ID"] == 3]
    assert [target["DEST"]["FLAGS"] for target in rows[0]["TARGETS"]] == ["IP", "IP"]
    code, out, err = kamctl(server.rundir, "dispatcher", "reload")
    assert code == 0 and "successfully reloaded" in out, err


# ---- the table -----------------------------------------------------------------------------------------------

def test_destinations_from_a_table(client_of, tmp_path):
    table = Sqlite(str(tmp_path), "dispatcher")
    table.sql("ALTER TABLE dispatcher ADD COLUMN prefix VARCHAR(20) DEFAULT NULL")
    table.sql("INSERT INTO dispatcher (setid, destination, flags, priority, attrs, description, prefix) VALUES "
              "(5, 'sip:127.0.0.5:1', 0, 1, 'duid=x', '', '49'), (5, 'sip:127.0.0.5:2', 8, 2, '', '', NULL)")
    client = client_of(db_url='"%s"' % table.url, ds_db_extra_attrs='"pre=prefix"')
    rows = client.sets()[5]
    assert [(row["URI"], row["FLAGS"], row["PRIORITY"]) for row in rows] == \
        [("sip:127.0.0.5:2", "AP", 2), ("sip:127.0.0.5:1", "AX", 1)]
    assert rows[1]["ATTRS"]["BODY"] == "duid=x;pre=49"
    table.sql("DELETE FROM dispatcher WHERE priority = 2")
    client.server.rpc("dispatcher.reload")
    assert len(client.sets()[5]) == 1
