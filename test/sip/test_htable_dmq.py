# SPDX-License-Identifier: BSD-2-Clause
"""Tables of the script that are the same on several servers: ours with ours, and ours with Debian's kamailio in
both directions."""
import json
import time

import pytest
from settings import head
from sipua.server import RpcError, Server
from test_dmq import Node, wait_for
from test_dmq_cluster import KINDS, Cluster, both_ways, programs_of

TABLES = [
    "#!define CHANGES",
    'modparam("htable", "enable_dmq", 1)',
    'modparam("htable", "dmq_init_sync", 1)',
    'modparam("htable", "htable", "a=>size=4;dmqreplicate=1;")',
    'modparam("htable", "htable", "short=>size=4;autoexpire=600;dmqreplicate=1;initval=5;")',
    'modparam("htable", "htable", "own=>size=4;")',
]
# What the script does with the word of the request.
CHANGES = """
route[CHANGE] {
	$var(k) = $hdr(X-Word);
	if ($rU == "set") $sht(a=>$var(k)) = "value of " + $var(k);
	else if ($rU == "number") $sht(a=>$var(k)) = -5;
	else if ($rU == "odd") $sht(a=>$var(k)) = "q\\"u\\\\o/t\\te\\r\\n";
	else if ($rU == "null") $sht(a=>$var(k)) = $null;
	else if ($rU == "inc") $var(x) = $shtinc(short=>$var(k));
	else if ($rU == "dec") $var(x) = $shtdec(short=>$var(k));
	else if ($rU == "rm") sht_rm("a", "$var(k)");
	else if ($rU == "rm-name") sht_rm_name_re("a=>^$var(k)");
	else if ($rU == "rm-value") sht_rm_value_re("a=>of $var(k)");
	else if ($rU == "rm-begin") sht_rm_name("a", "sw", "$var(k)");
	else if ($rU == "own") $sht(own=>$var(k)) = 1;
	else if ($rU == "life") $shtex(short=>$var(k)) = 100;
	sl_send_reply("200", "Done");
	exit;
}
"""


class Tables(Cluster):
    """A cluster whose scripts change tables on INFO."""

    def __init__(self, programs):
        super().__init__(programs, ["htable"], TABLES + [CHANGES], children=1, dmq__num_workers=1)


def change(server, what, word):
    """Lets the script of the server change a table."""
    alice = Node("alice")
    request = alice.request("INFO", server.uri(what), headers=[("X-Word", word)])
    alice.send(request, server.address)
    alice.expect_reply(200, request)
    alice.close()


def get(server, table, key):
    try:
        return server.rpc("htable.get", table, key)["item"]["value"]
    except RpcError:
        return None


def left(server, table, key):
    expires = server.rpc("htable.get", table, key)["item"]["expire"]
    return time.mktime(time.strptime(expires, "%Y-%m-%d %H:%M:%S")) - time.time()


pair, ways = both_ways(Tables)


def test_what_the_script_sets_and_removes(ways):
    here, there, way = ways
    for what, value in (("set", "value of s" + way), ("number", -5), ("odd", 'q"u\\o/t\te\r\n')):
        change(here, what, "s" + way)
        wait_for(lambda: get(there, "a", "s" + way), value)
    for what in ("null", "rm"):
        change(here, "set", "s" + way)
        wait_for(lambda: get(there, "a", "s" + way), "value of s" + way)
        change(here, what, "s" + way)
        wait_for(lambda: get(there, "a", "s" + way), None)


def test_sums(ways):
    here, there, way = ways
    for what, value in (("inc", 6), ("inc", 7), ("dec", 6)):
        change(here, what, "n" + way)
        wait_for(lambda: get(there, "short", "n" + way), value)


def test_lives(ways):
    here, there, way = ways
    change(here, "inc", "l" + way)
    wait_for(lambda: get(there, "short", "l" + way), 6)
    assert left(there, "short", "l" + way) > 500
    change(here, "life", "l" + way)
    wait_for(lambda: left(there, "short", "l" + way) < 110, True)


def test_removals_by_expression(ways):
    here, there, way = ways
    for what in ("rm-name", "rm-value", "rm-begin"):
        keys = [what + way + x for x in "12"] + ["other" + way]
        for key in keys:
            change(here, "set", key)
            wait_for(lambda: get(there, "a", key), "value of " + key)
        change(here, what, what + way)
        wait_for(lambda: [get(there, "a", key) is not None for key in keys], [False, False, True])


def test_commands(ways):
    here, there, way = ways
    key = "c" + way
    here.rpc("htable.sets", "a", key, "text")
    wait_for(lambda: get(there, "a", key), "text")
    here.rpc("htable.seti", "a", key, 12)
    wait_for(lambda: get(there, "a", key), 12)
    here.rpc("htable.delete", "a", key)
    wait_for(lambda: get(there, "a", key), None)
    here.rpc("htable.seti", "short", key, 12)
    wait_for(lambda: get(there, "short", key), 12)
    here.rpc("htable.setex", "short", key, 50)
    wait_for(lambda: left(there, "short", key) < 60, True)


def test_other_tables_stay_at_home(ways):
    here, there, way = ways
    change(here, "own", "o" + way)
    change(here, "set", "o" + way)
    wait_for(lambda: get(there, "a", "o" + way), "value of o" + way)
    assert get(there, "own", "o" + way) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_starts_gets_everything(kind):
    """More than fits into one message."""
    first, second = programs_of(kind)
    with Tables([first]) as cluster:
        for i in range(130):
            cluster.servers[0].rpc("htable.sets", "a", "key%d" % i, "%d" % i + "v" * 1000)
        cluster.servers[0].rpc("htable.seti", "short", "n", 77)
        cluster.servers[0].rpc("htable.sets", "own", "mine", "1")
        fresh = cluster.start(second, ["htable"], TABLES + [CHANGES], {"children": 1, "dmq__num_workers": 1})

        def count():
            return {row["name"]: row["all"] for row in fresh.rpc("htable.stats")}
        wait_for(count, {"a": 130, "short": 1, "own": 0})
        assert get(fresh, "a", "key129") == "129" + "v" * 1000
        assert 500 < left(fresh, "short", "n") < 605


# ---- nodes that say what they should not ----------------------------------------------------------------------

@pytest.fixture(scope="module")
def target(launch):
    node = Node()
    server = launch(head("jsonrpcs", "dmq", "htable", dmq__server_address='"sip:@ADDRESS@"',
                         dmq__notification_address='"sip:%s"' % node.host_port)
                    + "\n".join(TABLES) + CHANGES + ROUTE)
    node.answered("notification_peer")
    assert node.answered("htable").body == b'{"action":1}'
    yield server, node
    node.close()


ROUTE = """
request_route {
	if (is_method("KDMQ")) dmq_handle_message();
	sl_send_reply("200", "Ready");
}
"""


@pytest.mark.viaduct_only("the peer answers nothing, or 500, and may stop to answer")
@pytest.mark.parametrize("body, status", [
    ("", 400), ("nonsense", 400), ("[1,2", 400), ("[]", 400), ("{}", 400), ('"x"', 400), ("null", 400),
    ('{"action":0}', 400), ('{"action":7,"htname":"a","cname":"x"}', 400), ('{"action":"2"}', 400),
    ('{"action":2,"htname":"a","cname":"x"}', 400),
    ('{"action":2,"htname":"a","cname":"x","type":1,"intval":1}', 400),
    ('{"action":2,"htname":"a","cname":"x","type":0,"intval":"1"}', 400),
    ('{"action":2,"htname":"a","cname":5,"type":0,"intval":1}', 400),
    ('{"action":2,"htname":"a","cname":"x","type":2,"strval":"a\\u0000b"}', 400),
    ('{"action":2,"htname":"none","cname":"x","type":0,"intval":1}', 500),
    ('{"action":2,"htname":"own","cname":"x","type":0,"intval":1}', 500),
    ('{"action":5,"htname":"a","type":2,"strval":"(","mode":0}', 500),
    ('{"cells":[1]}', 500), ('{"cells":[{"htname":"a"}]}', 500),
    ('{"cells":[]}', 200),
    ('{"action":2,"htname":"a","cname":"good","type":0,"intval":1,"mode":1}', 200),
    ('{"cells":[{"htname":"a","cname":"x","type":0,"intval":1,"expire":1}]}', 200),
    ("[" * 3000, 400),
])
def test_bodies_that_are_no_changes_change_nothing(target, body, status):
    server, node = target
    server.allow("regular expression", "unmatched|missing")
    node.kdmq(server, "htable", body, status=status, content_type="application/json")
    assert get(server, "a", "x") is None and get(server, "own", "x") is None


def test_items_come_in_pieces_and_only_to_who_asked(target):
    server, node = target
    for i in range(60):
        server.rpc("htable.sets", "a", "piece%d" % i, "x" * 1500)
        node.answered("htable")
    node.kdmq(server, "htable", '{"action":1}', content_type="application/json")
    first = node.answered("htable")
    second = node.answered("htable")
    assert len(first.body) <= 62000 and first.body.startswith(b'{"cells":[{"htname":"')
    assert second.body.count(b'"cname":"piece') + first.body.count(b'"cname":"piece') == 60


@pytest.mark.viaduct_only("the peer sends them as they come")
def test_changes_of_one_item_wait_for_each_other(target):
    server, node = target

    def change_of(request):
        found = json.loads(request.body)
        return found["cname"], found.get("strval")
    server.rpc("htable.sets", "a", "one", "first")
    first = node.expect_request("KDMQ")
    for i in range(30):
        server.rpc("htable.sets", "a", "one", "v%d" % i)
    server.rpc("htable.sets", "a", "another", "x")
    another = node.expect_request("KDMQ")
    assert (change_of(first), change_of(another)) == (("one", "first"), ("another", "x"))
    node.expect_nothing(0.05)
    for request in (another, first):
        node.reply(request, 200)
    assert [change_of(node.answered("htable")) for _ in range(16)] == [("one", "v%d" % i) for i in range(14, 30)]
    node.expect_nothing(0.05)


@pytest.mark.viaduct_only("our sentence")
def test_replication_needs_the_module(program):
    with pytest.raises(AssertionError, match="enable_dmq needs the module dmq"):
        Server(head("htable") + "\n".join(TABLES) + CHANGES + ROUTE, program).discard()
