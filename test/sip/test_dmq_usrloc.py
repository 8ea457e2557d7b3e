# SPDX-License-Identifier: BSD-2-Clause
"""Bindings that are the same on several servers: ours with ours, and ours with Debian's kamailio in both
directions."""

import pytest
from settings import head
from sipua import Agent
from test_dmq import Node, wait_for
from test_dmq_cluster import KINDS, Cluster, both_ways, programs_of
from test_htable_dmq import ROUTE

LINES = [
    "#!define REGISTRAR",
    'modparam("dmq_usrloc", "enable", 1)',
    'modparam("dmq_usrloc", "batch_msg_contacts", 50)',
    'modparam("registrar", "use_path", 1)',
]


class Location(Cluster):
    """A cluster of registrars."""

    def __init__(self, programs):
        super().__init__(programs, ["dmq_usrloc"], LINES, children=1, dmq__num_workers=1)


def bindings(server, user=None):
    """Contacts by user and address, without what says when and where they were noted."""
    found = {}
    for domain in server.rpc("ul.dump")["Domains"]:
        for record in domain["Domain"]["AoRs"]:
            for contact in record["Info"]["Contacts"]:
                fields = contact["Contact"]
                if user in (None, record["Info"]["AoR"]):
                    found[record["Info"]["AoR"], fields["Address"]] = {
                        k: fields[k] for k in ("Q", "Call-ID", "CSeq", "User-Agent", "Received", "Path", "CFlags",
                                               "Methods", "Ruid", "Instance", "Reg-Id", "Last-Modified")}
    return found


pair, ways = both_ways(Location)


@pytest.fixture
def phone():
    made = []

    def make(user, server):
        made.append(Agent(user, "127.0.0.1", server=server.address))
        return made[-1]
    yield make
    for one in made:
        one.close()


def wait_same(here, there, user, count):
    wait_for(lambda: bindings(there, user), bindings(here, user))
    assert len(bindings(there, user)) == count


def test_a_binding_is_made_refreshed_and_removed(ways, phone):
    here, there, way = ways
    alice = phone("alice-" + way, here)
    contact = alice.contact + ';q=0.7;+sip.instance="<urn:uuid:%s>";reg-id=1' % way
    headers = [("User-Agent", 'Phone "x" \u00e4'), ("Path", "<sip:127.0.0.9;lr>"), ("Supported", "path")]
    call = dict(call_id="call-" + way, expires=600, headers=headers)
    alice.register(contact, **call)
    wait_same(here, there, alice.user, 1)
    alice.register(contact, cseq=2, **call)
    wait_same(here, there, alice.user, 1)
    second = "<sip:second@127.0.0.8:5099>"
    alice.register(second, cseq=3, **call)
    wait_same(here, there, alice.user, 2)
    alice.register(second, cseq=4, call_id="call-" + way, expires=0)
    wait_same(here, there, alice.user, 1)
    alice.register("*", cseq=5, call_id="call-" + way, expires=0)
    wait_same(here, there, alice.user, 0)


def test_a_phone_changes_its_server(ways, phone):
    here, there, way = ways
    bob, moved = phone("bob-" + way, here), phone("bob-" + way, there)
    bob.register("<sip:bob@127.0.0.7:5098>", call_id="move-" + way, expires=600)
    wait_same(here, there, bob.user, 1)
    moved.register("<sip:bob@127.0.0.7:5098>", call_id="move-" + way, cseq=2, expires=600,
                   aor="sip:%s@%s" % (bob.user, moved.domain))
    wait_same(there, here, bob.user, 1)
    assert bindings(here, bob.user)[bob.user, "sip:bob@127.0.0.7:5098"]["CSeq"] == 2
    moved.register("<sip:bob@127.0.0.7:5098>", call_id="move-" + way, cseq=3, expires=0)
    wait_same(there, here, bob.user, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_starts_gets_everything(kind, phone):
    """More than fits into one message; the peer repeats some of them."""
    first, second = programs_of(kind)
    with Location([first]) as cluster:
        carol = phone("carol", cluster.servers[0])
        for i in range(60):
            carol.register("<sip:carol@127.0.0.7:5098>", aor="sip:carol%d@example.org" % i, expires=600)
        fresh = cluster.start(second, ["dmq_usrloc"], LINES, {"children": 1, "dmq__num_workers": 1})
        wait_for(lambda: bindings(fresh), bindings(cluster.servers[0]))
        assert len(bindings(fresh)) == 60


# ---- nodes that say what they should not ----------------------------------------------------------------------

@pytest.fixture(scope="module")
def target(launch):
    node = Node()
    server = launch(head("jsonrpcs", "dmq", "dmq_usrloc", dmq__server_address='"sip:@ADDRESS@"',
                         dmq__notification_address='"sip:%s"' % node.host_port)
                    + "\n".join(LINES) + ROUTE)
    node.answered("notification_peer")
    assert node.answered("usrloc").body == b'{"action":3}'
    yield server, node
    node.close()


GOOD = ('{"action":1,"aor":"dave","ruid":"uloc-1","c":"sip:dave@127.0.0.6","received":"","path":"","callid":"c",'
        '"user_agent":"n/a","instance":"","expires":4000000000,"cseq":5,"flags":0,"cflags":8,"q":500,"last_modified":1,'
        '"methods":4294967295,"reg_id":0,"server_id":0}')


@pytest.mark.viaduct_only("the peer ends itself at some of these")
@pytest.mark.parametrize("body, status", [
    ("", 400), ("nonsense", 400), ("[]", 400), ("{}", 400), ('{"action":1}', 400), ('{"action":4}', 400),
    ('{"action":-1}', 400), ('{"action":"1"}', 400), ('{"multi":[]}', 400), ('{"multi":{"1":1}}', 400),
    ('{"action":0}', 200), ('{"multi":{}}', 200),
    (GOOD.replace('"aor":"dave"', '"aor":""'), 400),
    (GOOD.replace('"aor":"dave"', '"aor":7'), 400),
    (GOOD.replace("sip:dave@", "dave@"), 400),
    (GOOD.replace('"expires":', '"expires":1,"x":'), 200),
    (GOOD.replace('"action":1', '"action":2'), 200),
    ('{"multi":' * 40 + "1" + "}" * 40, 400),
])
def test_bodies_that_are_no_bindings_change_nothing(target, body, status):
    server, node = target
    node.kdmq(server, "usrloc", body, status=status, content_type="application/json")
    assert bindings(server) == {}


def test_a_removal_finds_the_contact_by_its_address(target):
    server, node = target
    node.kdmq(server, "usrloc", GOOD, content_type="application/json")
    assert list(bindings(server)) == [("dave", "sip:dave@127.0.0.6")]
    assert bindings(server)["dave", "sip:dave@127.0.0.6"]["Ruid"] == "uloc-1"
    node.kdmq(server, "usrloc", GOOD.replace('"action":1', '"action":2').replace("uloc-1", "uloc-2").replace(
        '"cseq":5', '"cseq":6'), content_type="application/json")
    assert bindings(server) == {}
