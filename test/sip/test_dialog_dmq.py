# SPDX-License-Identifier: BSD-2-Clause
"""Dialogs that several servers know: ours with ours, and ours with Debian's kamailio in both directions."""
import json

import pytest
from settings import START, head
from sipua import Agent, Dialog
from sipua.server import RpcError
from test_dmq import Node, wait_for
from test_dmq_cluster import KINDS, Cluster, both_ways, programs_of

LINES = [
    'modparam("dialog", "enable_dmq", 1)',
    'modparam("dialog", "default_timeout", 600)',
    'modparam("dialog", "profiles_with_value", "caller")',
    'modparam("dialog", "profiles_no_value", "all")',
]
# Before the routes of the cluster's servers: requests with X-Bob are calls.
CALLS = """
request_route {
""" + START + """
	if (is_method("KDMQ")) dmq_handle_message();
	if (has_totag()) {
		loose_route();
		if ($hdr(X-Var) != $null) $dlg_var(late) = $hdr(X-Var);
		if ($hdr(X-Join) != $null) set_dlg_profile("caller", "$hdr(X-Join)");
		t_relay();
		exit;
	}
	if (is_method("CANCEL")) { t_relay(); exit; }
	if (is_method("INVITE")) {
		dlg_manage();
		$dlg_var(first) = "one";
		$dlg_var(odd) = "a\\"b\\\\c|d#e";
		set_dlg_profile("all");
		set_dlg_profile("caller", "$fU");
		record_route();
		$ru = "sip:bob@" + $hdr(X-Bob);
		t_relay();
		exit;
	}
#!ifdef FORGETS
	if ($rU == "forget") dlg_remove_dialogs_from_node("$hdr(X-Node)");
#!endif
	sl_send_reply("200", "Done");
}
event_route[dialog:end] { xlog("L_NOTICE", "event: end $ci\\n"); }
"""


class Calls(Cluster):
    def __init__(self, programs):
        super().__init__(programs, ["dialog"], LINES)

    def start(self, program, modules, lines, settings, routes=CALLS):
        newer = ["#!define FORGETS"] if program == "viaduct" else []
        return super().start(program, modules, newer + lines, settings, routes=routes)


pair, ways = both_ways(Calls)
HERE = ("h_id", "call-id", "from_uri", "to_uri", "state", "init_ts", "start_ts", "lifetime")


def dialog_of(server, call_id):
    try:
        for row in server.rpc("dlg.list") or []:
            if row["call-id"] == call_id and row["state"] != 5:
                return row
    except RpcError:
        pass
    return None


def seen(server, call_id):
    """What servers have in common of a dialog."""
    row = dialog_of(server, call_id)
    if not row:
        return None
    shown = {name: row[name] for name in HERE}
    for leg in ("caller", "callee"):
        shown[leg] = {n: row[leg][n] or "" for n in ("tag", "contact")}
    shown["variables"] = sorted(json.dumps(v) for v in row["variables"])
    shown["profiles"] = sorted(json.dumps(p) for p in row["profiles"])
    return shown


def size(server, *profile):
    return server.rpc("dlg.profile_get_size", *profile)


class Call:
    """A call by way of a server."""

    def __init__(self, server, caller):
        self.alice = Agent(caller, "127.0.0.1", server=server.address)
        self.bob = Agent("bob", "127.0.0.1", server=server.address)
        self.invite = self.alice.send(self.alice.request(
            "INVITE", "sip:x@example.com", headers=[("X-Bob", self.bob.host_port),
                                                    ("Contact", self.alice.contact)]))
        self.incoming = self.bob.expect_request("INVITE")
        self.id = self.invite.call_id

    def reply(self, status):
        self.bob.reply(self.incoming, status, contact="<sip:bob@%s>" % self.bob.host_port)
        return self.alice.expect_reply(status, self.invite)

    def answer(self):
        self.dialog = Dialog.from_client(self.alice, self.invite, self.reply(200))
        self.dialog.ack()
        self.bob.expect_request("ACK")

    def within(self, method, **kwargs):
        request = self.dialog.send(method, **kwargs)
        self.bob.reply(self.bob.expect_request(method), 200)
        self.alice.expect_reply(200, request)

    def close(self):
        self.alice.close()
        self.bob.close()


@pytest.fixture
def call():
    made = []

    def make(server, caller):
        made.append(Call(server, caller))
        return made[-1]
    yield make
    for one in made:
        one.close()


def test_a_call_is_known_to_both_from_its_beginning_to_its_end(ways, call):
    here, there, way = ways
    one = call(here, "alice" + way)
    wait_for(lambda: (seen(there, one.id) or {}).get("state"), 1)
    one.reply(180)
    wait_for(lambda: seen(there, one.id)["state"], 2)
    one.answer()
    wait_for(lambda: seen(there, one.id), seen(here, one.id))
    assert seen(there, one.id)["state"] == 4
    assert dialog_of(there, one.id)["h_entry"] == dialog_of(here, one.id)["h_entry"]
    assert size(there, "caller", "alice" + way) == 1
    one.within("BYE")
    wait_for(lambda: seen(there, one.id), None)
    wait_for(lambda: size(there, "caller", "alice" + way), 0)
    if there.program == "viaduct":
        assert "event: end " + one.id not in there.log()  # the server of the call tells it


def test_a_refused_call_is_forgotten_by_both(ways, call):
    here, there, way = ways
    one = call(here, "refused" + way)
    wait_for(lambda: (seen(there, one.id) or {}).get("state"), 1)
    one.reply(486)
    wait_for(lambda: seen(there, one.id), None)
    assert size(there, "caller", "refused" + way) == 0


def test_who_starts_gets_what_there_is(call):
    for kind in KINDS:
        first, second = programs_of(kind)
        with Calls([first]) as cluster:
            calls = [call(cluster.servers[0], "sync%d" % i) for i in range(3)]
            for one in calls[1:]:
                one.answer()
            fresh = cluster.start(second, ["dialog"], LINES, {})
            for one, state in zip(calls, (1, 4, 4)):
                wait_for(lambda o=one: (seen(fresh, o.id) or {}).get("state"), state)
            for one in calls[1:]:
                wait_for(lambda o=one: seen(fresh, o.id), seen(cluster.servers[0], one.id))
            assert size(fresh, "all") == 3


@pytest.mark.viaduct_only("the peer tells what its script sets at the beginning only")
def test_what_later_requests_set_is_told():
    with Calls(["viaduct", "viaduct"]) as cluster:
        here, there = cluster.servers
        one = Call(here, "late")
        one.answer()
        wait_for(lambda: seen(there, one.id), seen(here, one.id))
        one.within("INFO", headers=[("X-Var", "later"), ("X-Join", "joined")])
        wait_for(lambda: size(there, "caller", "joined"), 1)
        wait_for(lambda: seen(there, one.id), seen(here, one.id))
        assert '{"late": "later"}' in seen(there, one.id)["variables"]
        one.within("BYE")
        wait_for(lambda: (size(there, "caller", "joined"), size(there, "all")), (0, 0))
        one.close()


@pytest.mark.viaduct_only("newer than 5.6")
def test_another_server_ends_a_call_and_a_node_is_forgotten():
    with Calls(["viaduct", "viaduct"]) as cluster:
        here, there = cluster.servers
        first, second = Call(here, "first"), Call(here, "second")
        first.answer()
        second.answer()
        for one in (first, second):
            wait_for(lambda o=one: (seen(there, o.id) or {}).get("state"), 4)
        # The phone speaks with the other server from now on: that one tells of the end.
        bye = first.dialog.request("BYE")
        bye.set("Route", bye["Route"].replace(here.host_port, there.host_port))
        first.alice.send(bye, there.address)
        first.bob.reply(first.bob.expect_request("BYE"), 200)
        first.alice.expect_reply(200, bye)
        wait_for(lambda: (seen(here, first.id), seen(there, first.id)), (None, None))
        there.wait_log("event: end " + first.id)
        assert "event: end " + first.id not in here.log()
        node = Node()
        for uri, wanted in (("sip:127.0.0.9:9", 4), ("sip:" + here.host_port, None)):
            request = node.request("OPTIONS", there.uri("forget"), headers=[("X-Node", uri)])
            node.send(request, there.address)
            node.expect_reply(200, request)
            assert (seen(there, second.id) or {}).get("state") == wanted
        assert seen(here, second.id)["state"] == 4
        for one in (first, second, node):
            one.close()


# ---- nodes that say what they should not ----------------------------------------------------------------------

@pytest.fixture(scope="module")
def target(launch):
    node = Node()
    server = launch(head("jsonrpcs", "dmq", "dialog", dmq__server_address='"sip:@ADDRESS@"',
                         dmq__notification_address='"sip:%s"' % node.host_port)
                    + "\n".join(LINES) + CALLS)
    node.answered("notification_peer")
    assert node.answered("dialog").body == b'{"action":4}'
    yield server, node
    node.close()


GOOD = ('{"action":1,"h_entry":7,"h_id":9,"init_ts":1700000000,"callid":"c","from_uri":"sip:a@b","to_uri":"sip:c@d",'
        '"req_uri":"sip:c@d","tag1":"t","cseq1":"1","route_set1":"","contact1":"","vars":{"n":"v"},'
        '"profiles":"{\\"profiles\\":[{\\"name\\":\\"all\\"},{\\"name\\":\\"none\\"}]}","state":1}')


def tell(target, body, status=200):
    server, node = target
    node.kdmq(server, "dialog", body, status=status, content_type="application/json")


@pytest.mark.viaduct_only("the peer answers otherwise")
@pytest.mark.parametrize("body,status", [
    ("", 400), ("nonsense", 400), ("[]", 400), ("{}", 400), ('{"action":0}', 400), ('{"action":5}', 400),
    ('{"action":1}', 400), ('{"action":2,"h_entry":1,"h_id":2}', 400), ('{"action":2,"h_entry":1,"h_id":0}', 400),
    ('{"action":2,"h_entry":-1,"h_id":2,"state":5}', 400), ('{"action":2,"h_entry":1,"h_id":2,"state":6}', 400),
    ('{"action":2,"h_entry":4294967296,"h_id":2,"state":5}', 400),
    ('{"action":1,"h_entry":1,"h_id":2,"state":1}', 500),
    (GOOD.replace('"tag1":"t"', '"tag1":""').replace('"h_id":9', '"h_id":10'), 500),
    (GOOD.replace('"init_ts":1700000000', '"init_ts":99999999999'), 400),
    ('{"action":2,"h_entry":1,"h_id":2,"state":5}', 200), ('{"action":3,"h_entry":1,"h_id":2}', 200),
    (GOOD.replace('"h_id":9', '"h_id":11').replace('"n":"v"', '"n":5,"m":["x"]'), 200),
    (GOOD.replace('"h_id":9', '"h_id":12').replace("{\\\\\"profiles", "{nonsense"), 200)])
def test_malformed_messages_do_no_harm(target, body, status):
    tell(target, body, status)


@pytest.mark.viaduct_only("what the peer tells is in the scenarios above")
def test_updates_replace_lists_and_states_never_go_back(target):
    server, _ = target
    good = GOOD.replace('"callid":"c"', '"callid":"lists"')
    tell(target, good)
    row = dialog_of(server, "lists")
    assert row["variables"] == [{"n": "v"}] and row["profiles"] == ["all"]
    tell(target, '{"action":2,"h_entry":7,"h_id":9,"state":4,"start_ts":1700000005,"lifetime":50,"tag2":"u"}')
    tell(target, good.replace('[{\\"name\\":\\"all\\"},', "["))
    row = dialog_of(server, "lists")
    assert row["state"] == 4 and row["callee"]["tag"] == "u" and row["lifetime"] == 50
    assert row["profiles"] == [] and row["start_ts"] == 1700000005
    tell(target, '{"action":3,"h_entry":7,"h_id":9}')
    assert not dialog_of(server, "lists")


@pytest.mark.viaduct_only("newer than 5.6")
def test_a_dialog_of_another_server_ends_silently_in_time(target):
    server, node = target
    tell(target, GOOD.replace('"h_id":9', '"h_id":20').replace('"callid":"c"', '"callid":"brief"'))
    tell(target, '{"action":2,"h_entry":7,"h_id":20,"state":4,"start_ts":1700000005,"lifetime":1,"tag2":"u"}')
    wait_for(lambda: dialog_of(server, "brief"), None)
    assert "event: end brief" not in server.log()
    node.expect_nothing(0.1)
