# SPDX-License-Identifier: BSD-2-Clause
"""What tm's parameters change, each beside the peer."""
import pytest
from settings import PROXY, RELAY, START, head
from sipua import Agent

RELAYED = """
request_route {""" + START + """
	if (is_method("ACK|CANCEL")) { t_relay(); exit; }
	$avp(no_answer) = "1";
	if ($rU == "short") $avp(silence) = 1;
	if ($rU == "guarded") t_on_failure("FAILED");
	$ru = "sip:bob@" + $hdr(X-Bob);
	if (!t_relay()) sl_reply_error();
}
failure_route[FAILED] { t_reply("480", "Guarded"); }
"""


def call(alice, bob, user="bob", method="INVITE"):
    return alice.send(alice.request(method, "sip:%s@example.com" % user,
                                    headers=[("X-Bob", bob.host_port)]))


def relayed(start_server, agent, **settings):
    server = start_server(head(timers=True, **settings) + RELAYED)
    return agent("alice", server=server), agent("bob", server=server), server


def heard(agent, test):
    return [m for _, way, _, m in agent.trace if way == "in" and not isinstance(m, bytes) and test(m)]


def expect_of(agent, method, request):
    """The request of this call, whatever comes of others before it."""
    return agent.take(lambda m: m.is_request and m.method == method and m.call_id == request.call_id, 5, method)


# ---- time-outs ----

def test_a_silent_callee_is_hidden_without_noisy_ctimer(start_server, agent):
    alice, bob, _ = relayed(start_server, agent, tm__noisy_ctimer=0)
    invite = call(alice, bob)
    alice.expect_reply(100, invite)
    guarded = call(alice, bob, "guarded")
    alice.expect_reply(480, guarded, timeout=5)  # its failure_route answers
    ringing = call(alice, bob)
    bob.reply(expect_of(bob, "INVITE", ringing), 180)
    alice.expect_reply(180, ringing)
    alice.expect_reply(408, ringing, timeout=5)  # one that rang is told of
    assert not heard(alice, lambda m: m.call_id == invite.call_id and m.status != 100)


def test_an_avp_overrides_the_timers(start_server, agent):
    alice, bob, _ = relayed(start_server, agent, tm__fr_timer=60000, tm__fr_inv_timer=60000,
                            tm__fr_timer_avp='"$avp(silence)"', tm__fr_inv_timer_avp='"$avp(no_answer)"')
    short = call(alice, bob, "short")
    alice.expect_reply(408, short, timeout=6)
    ringing = call(alice, bob)
    bob.reply(expect_of(bob, "INVITE", ringing), 180)
    alice.expect_reply(180, ringing)
    alice.expect_reply(408, ringing, timeout=6)


# ---- replies ----

@pytest.mark.parametrize("is_on", [0, 1])
def test_100_is_relayed_when_wished(start_server, agent, is_on):
    alice, bob, _ = relayed(start_server, agent, tm__relay_100=is_on, tm__auto_inv_100=0)
    invite = call(alice, bob)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 100, "Callee tries")
    if is_on:
        assert alice.expect_reply(100, invite).reason == "Callee tries"
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    assert is_on or not heard(alice, lambda m: m.status == 100)
    bob.reply(incoming, 486)
    alice.expect_reply(486, invite)


@pytest.mark.viaduct_only("the peer looks at the branch only, whatever its documentation says")
@pytest.mark.parametrize("is_on", [0, 1])
def test_a_reply_of_another_call_does_not_fit(start_server, agent, is_on):
    alice, bob, server = relayed(start_server, agent, tm__callid_matching=is_on)
    server.allow(".*")
    message = call(alice, bob, method="MESSAGE")
    incoming = bob.expect_request("MESSAGE")
    wrong = bob.reply_to(incoming, 603)
    wrong.set("Call-ID", "another-call")
    bob.send(wrong)
    bob.reply(incoming, 200)
    if is_on:
        alice.expect_reply(200, message)
    else:
        assert alice.expect_any().status == 603


def redirecting(module, details):
    return head(**{module + "__rich_redirect": details}) + """
request_route {""" + START + """
	$ru = "sip:a@192.0.2.1";
	setbflag(3);
	append_branch("sip:b@192.0.2.2;transport=tcp", "0.5");
	$(branch(path)[0]) = "<sip:edge.example.com;lr>";
	append_branch("sip:c@192.0.2.3?Subject=x");
	$(branch(path)[1]) = "<sip:edge.example.com;lr>";
	%s
}
""" % ('t_newtran(); t_reply("302", "Moved");' if module == "tm" else 'sl_send_reply("302", "Moved");')


@pytest.mark.parametrize("module", ["tm", "sl"])
@pytest.mark.parametrize("details,expected", [
    (0, "<sip:a@192.0.2.1>, <sip:b@192.0.2.2;transport=tcp>;q=0.5, <sip:c@192.0.2.3?Subject=x>"),
    (1, "<sip:a@192.0.2.1>;flags=8, <sip:b@192.0.2.2;transport=tcp>;q=0.5;flags=8, "
        "<sip:c@192.0.2.3?Subject=x>;flags=8"),
    (2, "<sip:a@192.0.2.1>, <sip:b@192.0.2.2;transport=tcp?Route=%3csip:edge.example.com%3blr%3e>;q=0.5, "
        "<sip:c@192.0.2.3?Subject=x&Route=%3csip:edge.example.com%3blr%3e>")])
def test_redirections_tell_more_when_wished(start_server, agent, module, details, expected):
    alice = agent("alice", server=start_server(redirecting(module, details)))
    request = alice.send(alice.request("OPTIONS", "sip:x@example.com"))
    reply = alice.expect_reply(302, request)
    assert [v.replace("?Subject=x?Route", "?Subject=x&Route") for v in reply.all("Contact")] == [expected]


# ---- matching ----

@pytest.mark.parametrize("setting,change", [
    ("ruri_matching", "uri"), ("via1_matching", "via")])
def test_old_requests_match_as_far_as_wished(start_server, agent, setting, change):
    """One without the cookie of RFC 3261, and the same with another Request-URI or Via parameter."""
    for is_on in (1, 0):
        alice, bob, _ = relayed(start_server, agent, **{"tm__" + setting: is_on})
        first = alice.request("MESSAGE", "sip:bob@example.com", headers=[("X-Bob", bob.host_port)])
        via = first["Via"].split(";branch")[0]
        first.set("Via", via + ";branch=1")
        second = first.copy()
        if change == "uri":
            second.start_line = second.start_line.replace("bob@", "robert@")
        else:
            second.set("Via", via + ";branch=2")
        alice.send(first)
        incoming = bob.expect_request("MESSAGE")
        bob.reply(incoming, 200)
        alice.expect_reply(200, first)
        alice.send(second)
        if is_on:
            assert bob.expect_request("MESSAGE").branch != incoming.branch
        else:
            assert alice.expect_retransmission().branch == first.branch
            assert len({m.branch for m in heard(bob, lambda m: m.is_request)}) == 1
        bob.close()


@pytest.mark.viaduct_only("the peer compares the branch nevertheless")
def test_requests_match_by_call_when_wished(start_server, agent):
    alice, bob, _ = relayed(start_server, agent, tm__callid_cseq_matching=1)
    first = call(alice, bob, method="MESSAGE")
    incoming = bob.expect_request("MESSAGE")
    bob.reply(incoming, 200)
    alice.expect_reply(200, first)
    second = first.copy()
    second.set("Via", first["Via"] + "x")
    alice.send(second)
    assert alice.expect_retransmission().branch == first.branch
    assert len(heard(bob, lambda m: m.is_request)) == 1


# ---- local requests ----

LOCAL = """
request_route {""" + START + """
	$var(headers) = "Contact: <sip:me@" + $Ri + ">\\r\\nFrom: <sip:me@x>\\r\\nTo: <sip:bob@x>\\r\\n";
	$var(uri) = "sip:bob@" + $hdr(X-Bob);
	t_uac_send("INVITE", "$var(uri)", "", "", "$var(headers)", "");
	sl_send_reply("200", "Asked");
}
event_route[tm:local-request] { if (is_method("INVITE")) t_on_failure("AGAIN"); }
failure_route[AGAIN] {
	xlog("L_WARN", "failed with $T_reply_code\\n");
	append_branch();
	t_relay();
}
"""


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_a_local_ack_goes_where_wished(start_server, agent, mode):
    server = start_server(head(tm__local_ack_mode=mode) + LOCAL)
    alice, bob, desk, helper = (agent(n, server=server) for n in ("alice", "bob", "desk", "helper"))
    alice.send(alice.request("OPTIONS", "sip:x@example.com", headers=[("X-Bob", bob.host_port)]))
    invite = bob.expect_request("INVITE")
    helper.send(bob.reply_to(invite, 200, contact="<sip:desk@%s>" % desk.host_port), to=server.address)
    (desk, bob, helper)[mode].expect_request("ACK")


def test_a_local_request_has_a_failure_route_when_wished(start_server, agent):
    server = start_server(head(tm__enable_uac_fr=1) + LOCAL)
    server.allow("failed with")
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    alice.send(alice.request("OPTIONS", "sip:x@example.com", headers=[("X-Bob", bob.host_port)]))
    bob.reply(bob.expect_request("INVITE"), 486)
    bob.expect_request("ACK")
    bob.reply(bob.expect_request("INVITE"), 603)
    server.expect_log("failed with 486")


# ---- copies ----

@pytest.mark.parametrize("function", [
    't_replicate("%(host)s", "%(port)s")', 't_replicate("sip:%(host)s:%(port)s")',
    't_replicate_udp("%(host)s", "%(port)s")', 't_replicate_to("udp", "%(host)s:%(port)s")'])
def test_copies_go_to_hosts_and_uris(start_server, agent, function):
    keeper = Agent("keeper")
    host, port = keeper.host_port.split(":")
    server = start_server(head() + """
request_route {""" + START + """
	%s;
}
""" % (function % {"host": host, "port": port}))
    alice = agent("alice", server=server)
    request = alice.send(alice.request("MESSAGE", "sip:x@192.0.2.9"))
    copy = keeper.expect_request("MESSAGE")
    assert copy.call_id == request.call_id and copy.uri == request.uri
    keeper.server = server
    keeper.reply(copy, 200)
    alice.expect_nothing()
    keeper.close()


# ---- serial forking ----

SERIAL = """
request_route {""" + START + """
	if (is_method("REGISTER")) {
		$xavp(ul=>note) = "of " + $(ct{nameaddr.uri});
		save("location");
		exit;
	}
	if (!lookup("location")) { sl_send_reply("404", "No"); exit; }
	t_load_contacts(%s);
	$var(i) = 0;
	$var(seen) = "";
	while ($var(i) < 4) {
		t_next_contacts();
		$var(seen) = $var(seen) + "[" + $rc + " " + $rU + " " + $xavp(ul[0]=>note) + "," + $xavp(ul[1]=>note) + "]";
		$var(i) = $var(i) + 1;
	}
	append_to_reply("X-Seen: $var(seen)\\r\\n");
	sl_send_reply("200", "Seen");
}
"""


def serial(start_server, agent, contacts, mode=""):
    server = start_server(head(tm__contacts_avp='"tc"', tm__contact_flows_avp='"tf"', tm__xavp_contact='"ul"',
                               usrloc__xavp_contact='"ul"') + SERIAL % mode)
    server.allow("xavp")
    bob, alice = agent("bob", server=server), agent("alice", server=server)
    for number, contact in enumerate(contacts):
        bob.register(contact=[contact], call_id="c%d" % number)

    def ask():
        return alice.expect_reply(200, alice.send(alice.request("OPTIONS", bob.aor)))["X-Seen"]
    return ask


def note(user):
    return "of sip:%s@192.0.2.1" % user


@pytest.mark.parametrize("qs,expected", [
    ((0.9, 0.5, 0.5), "[1 b0 %s,][1 b2 %s,%s][-2 b2 %s,%s][-2 b2 %s,%s]"
     % tuple(note(u) for u in ("b0", "b2", "b1", "b2", "b1", "b2", "b1"))),
    ((0.5, 0.5), "[1 b1 %s,%s][-2 b1 %s,%s][-2 b1 %s,%s][-2 b1 %s,%s]" % ((note("b1"), note("b0")) * 4)),
    ((0.5,), "[-2 b0 %s,][-2 b0 %s,][-2 b0 %s,][-2 b0 %s,]" % ((note("b0"),) * 4))])
def test_groups_of_contacts_come_with_their_values(start_server, agent, qs, expected):
    ask = serial(start_server, agent, ["<sip:b%d@192.0.2.1>;q=%s" % pair for pair in enumerate(qs)])
    assert ask().replace("<null>", "") == expected


def test_contacts_without_weight_come_last_by_chance(start_server, agent):
    ask = serial(start_server, agent, ["<sip:b0@192.0.2.1>;q=0", "<sip:b1@192.0.2.1>;q=0.4",
                                       "<sip:b2@192.0.2.1>;q=0.7"], '"1"')
    seen = [ask() for _ in range(40)]
    users = {tuple(part.split(" ")[1] for part in text.split("[")[1:4]) for text in seen}
    assert users == {("b1", "b2", "b0"), ("b2", "b1", "b0")}


# ---- registrar ----

@pytest.mark.viaduct_only("the peer needs tcp_accept_aliases and a moment to forget the connection")
def test_bindings_of_dead_connections_are_not_found_when_wished(start_server, agent, stream_agent):
    server = start_server(head(registrar__lookup_filter_mode=2).replace("disable_tcp=yes", "")
                          + PROXY + RELAY, transports=("udp", "tcp"))
    alice, bob, carol = agent("alice", server=server), stream_agent("bob", server=server), agent("carol", server=server)
    bob.register()
    carol.register()
    message = alice.send(alice.request("MESSAGE", bob.aor))
    bob.reply(bob.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, message)
    bob.close()

    for _ in range(100):
        if alice.expect_reply((404, 408, 477, 478, 503), alice.send(alice.request("MESSAGE", bob.aor))).status == 404:
            break
    else:
        pytest.fail("the binding is still found")
    message = alice.send(alice.request("MESSAGE", carol.aor))
    carol.reply(carol.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, message)
