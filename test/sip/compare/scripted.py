# SPDX-License-Identifier: BSD-2-Clause
"""Scenarios with a script of their own: the header Play names the route that the request takes.
What a script can ask is told in headers of replies (X-…), so that it is compared as well."""
from settings import START, head
from sipua import Dialog

SCENARIOS = []

CONFIG = head("cfgutils", timers=True, tm__contacts_avp='"tm_contacts"',
              tm__contact_flows_avp='"tm_flows"', registrar__xavp_cfg='"reg"',
              registrar__use_path=1, registrar__path_mode=1, registrar__method_filtering=1,
              registrar__outbound_mode=0, registrar__gruu_enabled=1, registrar__min_expires=60,
              registrar__received_avp='"$avp(received)"', sanity__autodrop=0) + """
request_route {
""" + START + """
	$avp(a) = "sip:" + $hdr(X-A);
	$avp(b) = "sip:" + $hdr(X-B);
	$avp(c) = "sip:" + $hdr(X-C);
	if (is_method("REGISTER")) {
		route(REGISTER);
		exit;
	}
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	if ($hdr(Play) == $null) {
		if (loose_route()) {
			t_relay();
			exit;
		}
		if (is_method("ACK") && t_check_trans()) t_relay();
		exit;
	}
	if (is_method("ACK")) {
		t_check_trans();
		exit;
	}
	if (t_precheck_trans()) {
		t_check_trans();
		exit;
	}
	t_check_trans();
	$var(play) = $hdr(Play) + "";
	route($var(play));
	exit;
}

# ---- serial forking ----
route[SERIAL] {
	if ($hdr(X-Mode) == "branch") t_on_branch("BRANCH");
	t_on_failure("SERIAL");
	t_on_reply("TELL");
	$du = $avp(a);
	if (!t_relay()) sl_reply_error();
}
failure_route[SERIAL] {
	route(TELL_FAILURE);
	if (t_is_canceled()) exit;
	if ($hdr(X-Mode) == "stop") exit;
	if ($hdr(X-Mode) == "reply") {
		t_reply("404", "Replaced");
		exit;
	}
	if ($hdr(X-Mode) == "drop") t_drop_replies();
	if ($hdr(X-Mode) == "last") t_drop_replies("l");
	t_on_failure("SERIAL_END");
	$du = $avp(b);
	if ($hdr(X-Mode) == "copy") {
		$ru = "sip:copy@" + $hdr(X-C);
		append_branch();
	}
	if ($hdr(X-Mode) == "both") append_branch("sip:third@" + $hdr(X-C));
	if (!t_relay()) t_reply("500", "Nowhere");
}
failure_route[SERIAL_END] {
	route(TELL_FAILURE);
}

# ---- what is armed and set on the way ----
route[ARMED] {
	$ru = "sip:one@" + $hdr(X-A);
	if ($hdr(X-Mode) != "events") append_branch("sip:two@" + $hdr(X-B));
	else {
		$du = $avp(a);
		t_on_branch_failure("once");
	}
	setbflag(1);
	t_on_branch("ARMED");
	t_on_reply("ARMED_FIRST");
	t_on_failure("ARMED");
	t_relay();
	if ($hdr(X-Mode) == "refused") t_reply("480", "After All");
}
branch_route[ARMED] {
	if ($T_branch_idx == $(hdr(X-Which){s.int})) t_on_reply("ARMED_SECOND");
	if ($T_branch_idx == 0) setbflag(3);
	else setbflag(4);
}
onreply_route[ARMED_FIRST] {
	$avp(told) = "first-" + $rs + "-" + $T_branch_idx + "-" + $bf;
	if (t_any_replied()) $avp(told) = "replied";
	if ($rs == 180) setbflag(5);
	if ($rs == 486 && $hdr(X-P) == $null) change_reply_status("404", "Changed");
}
onreply_route[ARMED_SECOND] {
	$avp(told) = "second-" + $rs + "-" + $T_branch_idx + "-" + $bf;
}
failure_route[ARMED] {
	route(TELL_FAILURE);
	append_to_reply("X-Told: $(avp(told)[*]) flags $bf\\r\\n");
	if (t_check_status("404")) append_to_reply("X-Status: 404\\r\\n");
	if ($hdr(X-Mode) == "dropped") t_drop_replies();
	if ($hdr(X-Mode) == "told" || $hdr(X-Mode) == "events") t_reply("499", "Told");
	if ($hdr(X-Mode) != "next") exit;
	t_on_failure("SERIAL_END");
	t_on_branch("0");
	$du = "sip:" + $hdr(X-C);
	t_relay();
}
event_route[tm:branch-failure:once] {
	$avp(told) = "event-" + $T_branch_idx + "-" + $T_reply_code;
	append_branch("sip:more@" + $hdr(X-C));
	t_relay();
}
route[TELL_FAILURE] {
	$var(t) = "";
	if (t_branch_timeout()) $var(t) = $var(t) + " branch-timeout";
	if (t_branch_replied()) $var(t) = $var(t) + " branch-replied";
	if (t_any_timeout()) $var(t) = $var(t) + " any-timeout";
	if (t_any_replied()) $var(t) = $var(t) + " any-replied";
	if (t_is_canceled()) $var(t) = $var(t) + " canceled";
	if (t_check_status("486|603")) $var(t) = $var(t) + " 486|603";
	append_to_reply("X-Failure: $T_reply_code $T_reply_reason $T_branch_idx $rm $(T_rpl($rs))$var(t)\\r\\n");
}
onreply_route[TELL] {
	append_hf("X-Reply: $T_reply_code $T_branch_idx $rs $rr $(T_req($rU))\\r\\n");
	if (status == "183") drop;
	if (t_check_status("18[0-9]")) append_hf("X-Ringing: yes\\r\\n");
}

route[QUICK] {
	$avp(told) = "request";
	$du = $avp(a);
	t_on_reply("QUICK");
	t_on_failure("QUICK");
	t_relay();
	usleep("100000");
}
onreply_route[QUICK] {
	$avp(told) = "reply-" + $rs;
}
failure_route[QUICK] {
	append_to_reply("X-Told: $(avp(told)[*])\\r\\n");
	t_reply("499", "Told");
}

# ---- parallel forking ----
route[PARALLEL] {
	$ru = "sip:one@" + $hdr(X-A);
	setbflag(1);
	append_branch("sip:two@" + $hdr(X-B), "0.5");
	if ($hdr(X-Mode) == "three") append_branch("sip:three@" + $hdr(X-C));
	if ($hdr(X-Mode) == "6xx") t_set_disable_6xx("1");
	t_on_branch("BRANCH");
	t_on_failure("SERIAL_END");
	if ($hdr(X-Mode) == "events") t_on_branch_failure("more");
	if (!t_relay()) sl_reply_error();
}
branch_route[BRANCH] {
	append_hf("X-Branch: $T_branch_idx $rU $bf\\r\\n");
	if (isbflagset(1)) append_hf("X-Flag: 1\\r\\n");
	if ($hdr(X-Mode) == "drop" && $rU == "two") drop;
	if ($hdr(X-Mode) == "rename") $rU = "renamed";
}
event_route[tm:branch-failure:more] {
	if ($T_reply_code == 486 && $rU != "more") {
		append_branch("sip:more@" + $hdr(X-C));
		t_relay();
	}
}
route[NEXTHOP] {
	$ru = "sip:first@" + $hdr(X-C);
	$du = $avp(a);
	append_branch("sip:second@" + $hdr(X-B));
	append_branch();
	append_hf("X-Hop: $du $branch(count)\r\n");
	t_relay();
}
route[QVALUES] {
	$ru = "sip:first@" + $hdr(X-A);
	append_branch("sip:second@" + $hdr(X-B), "0.9");
	append_branch("sip:third@" + $hdr(X-C), "0.2");
	$var(rc) = t_load_contacts();
	if (!t_next_contacts()) {
		sl_send_reply("404", "No Contacts");
		exit;
	}
	t_on_failure("NEXT");
	t_relay();
}
failure_route[NEXT] {
	if (t_is_canceled()) exit;
	if (!t_next_contacts()) {
		append_to_reply("X-Next: $rc\\r\\n");
		exit;
	}
	t_on_failure("NEXT");
	t_relay();
}

# ---- answers of the script ----
route[PROVISIONAL] {
	t_newtran();
	t_reply("183", "From The Script");
	$du = $avp(a);
	t_relay();
}
route[STATEFUL] {
	t_newtran();
	append_to_reply("X-One: 1\\r\\n");
	t_reply("480", "Later");
	t_reply("404", "Too Late");
}
route[SUSPEND] {
	if (!t_suspend()) {
		sl_send_reply("500", "No Suspend");
		exit;
	}
	$shv(index) = $T(id_index);
	$shv(label) = $T(id_label);
}
route[CONTINUE] {
	$var(rc) = t_continue("$shv(index)", "$shv(label)", "RESUMED");
	sl_send_reply("200", "Continued");
}
route[RESUMED] {
	append_hf("X-Resumed: $rm $rU $hdr(X-Mode)\\r\\n");
	if ($hdr(X-Mode) == "reply") {
		t_reply("486", "After Pause");
		exit;
	}
	$du = "sip:" + $hdr(X-A);
	t_on_failure("SERIAL_END");
	t_relay();
}
route[DROPPED] {
	t_newtran();
	t_drop("488");
}
route[REDIRECT] {
	append_branch("sip:a@192.0.2.1", "0.3");
	append_branch("sip:b@192.0.2.2");
	$ru = "sip:c@192.0.2.3;x=y";
	if ($hdr(X-Mode) == "tm") {
		t_newtran();
		t_reply("302", "Moved");
	} else sl_send_reply("300", "Choices");
}
route[TIMERS] {
	t_set_fr("300", "200");
	$du = $avp(a);
	t_on_failure("SERIAL_END");
	t_relay();
}
route[STATELESS] {
	$du = $avp(a);
	if ($hdr(X-Mode) == "record") record_route();
	forward();
}
route[REPLICATE] {
	t_replicate($avp(b));
	sl_send_reply("200", "Copied");
}
route[CHANGE] {
	$du = $avp(a);
	t_on_reply("CHANGE");
	t_relay();
}
onreply_route[CHANGE] {
	if (status == "200") change_reply_status("202", "Changed");
	else if (status == "603") change_reply_status("486", "Not So Bad");
	else if (status == "486") change_reply_status("404", "Not Here");
	remove_hf("Server");
	append_hf("X-Seen: $rs $rr $rm $cs $T_reply_code\\r\\n");
}

# ---- routes ----
route[LOOSE] {
	$var(n) = $hdrc(Route);
	if (loose_route()) $var(l) = $rc; else $var(l) = $rc;
	$var(d) = is_direction("upstream");
	append_to_reply("X-Loose: $var(l) routes $var(n) uri $ru next $du\\r\\n");
	if (is_direction("upstream")) append_to_reply("X-Direction: up\\r\\n");
	if (is_direction("downstream")) append_to_reply("X-Direction: down\\r\\n");
	if (check_route_param("x=y")) append_to_reply("X-Param: yes\\r\\n");
	append_to_reply("X-Tags: $fti $tti $rdir(id)\\r\\n");
	sl_send_reply("200", "OK");
}
route[PRELOADED] {
	if (loose_route_preloaded()) append_to_reply("X-Preloaded: $rc $ru $du\\r\\n");
	else append_to_reply("X-Preloaded: $rc $ru $du\\r\\n");
	sl_send_reply("200", "OK");
}
route[RECORD] {
	if ($hdr(X-Mode) == "param") {
		record_route(";one=1");
		add_rr_param(";two=2");
	} else if ($hdr(X-Mode) == "preset") record_route_preset("192.0.2.9:5070", "192.0.2.10");
	else if ($hdr(X-Mode) == "advertised") record_route_advertised_address("192.0.2.9:5070");
	else if ($hdr(X-Mode) == "twice") {
		record_route();
		record_route();
	} else record_route();
	$du = $avp(a);
	t_relay();
}

# ---- checks ----
route[SANITY] {
	if (sanity_check("$(hdr(X-Checks){s.int})", "15")) sl_send_reply("200", "Sane");
}

# ---- the registrar ----
route[REGISTER] {
	if ($hdr(X-Max) != $null) $xavp(reg=>max_contacts) = $(hdr(X-Max){s.int});
	if ($hdr(X-Match) == "callid") $xavp(reg=>match_callid) = $ci;
	if ($hdr(X-Received) != $null) $avp(received) = $hdr(X-Received);
	switch ($hdr(X-Flags)) {
	case "memory": $var(r) = save("location", "0x01"); break;
	case "silent":
		$var(r) = save("location", "0x02");
		append_to_reply("X-Save: $var(r)\\r\\n");
		sl_send_reply("202", "Silent");
		exit;
	case "single": $var(r) = save("location", "0x04"); break;
	case "exact": $var(r) = save("location", "0x08"); break;
	case "headers":
		$var(r) = save("location", "0x12");
		sl_send_reply("200", "With Headers");
		exit;
	case "aor": $var(r) = save("location", "0x0", "sip:other-$tU@$td"); break;
	default:
		if (!save("location")) sl_reply_error();
	}
}
route[LOOKUP] {
	if ($hdr(X-Mode) == "dset") lookup_to_dset("location");
	else if ($hdr(X-Mode) == "registered") registered("location");
	else if ($hdr(X-Mode) == "unregister") unregister("location", "$ru");
	else lookup("location");
	$var(r) = $rc;
	append_to_reply("X-Lookup: $var(r) $ru $du $branch(count)\\r\\n");
	$var(i) = 0;
	while ($var(i) < $branch(count)) {
		append_to_reply("X-Branch: $(branch(uri)[$var(i)]) $(branch(q)[$var(i)]) $(branch(dst_uri)[$var(i)]) $(branch(path)[$var(i)])\\r\\n");
		$var(i) = $var(i) + 1;
	}
	sl_send_reply("200", "OK");
}
route[FETCH] {
	if (reg_fetch_contacts("location", "$ru", "p")) {
		$var(i) = 0;
		while ($var(i) < $(ulc(p=>count))) {
			append_to_reply("X-Contact: $(ulc(p=>addr)[$var(i)]) $(ulc(p=>q)[$var(i)]) $(ulc(p=>path)[$var(i)]) $(ulc(p=>received)[$var(i)]) $(ulc(p=>methods)[$var(i)]) $(ulc(p=>user_agent)[$var(i)]) $(ulc(p=>regid)[$var(i)]) $(ulc(p=>instance)[$var(i)])\\r\\n");
			$var(i) = $var(i) + 1;
		}
		reg_free_contacts("p");
	}
	append_to_reply("X-Count: $rc\\r\\n");
	sl_send_reply("200", "OK");
}
"""


def scenario(function):
    SCENARIOS.append((function.__name__.replace("_", "-"), function))
    return function


def table(name, rows):
    def decorate(function):
        for label, *row in rows:
            SCENARIOS.append(("%s-%s" % (name, label),
                              lambda stage, row=row: function(stage, *row)))
        return function
    return decorate


class Play:
    """alice and the agents that the script may send to."""

    def __init__(self, stage, route, mode=None, headers=()):
        self.stage = stage
        self.alice = stage.agent("alice")
        self.a, self.b, self.c = (stage.agent(name) for name in ("bea", "cat", "dan"))
        self.headers = [("Play", route), ("X-A", self.a.host_port), ("X-B", self.b.host_port),
                        ("X-C", self.c.host_port)] + list(headers)
        if mode:
            self.headers.append(("X-Mode", mode))

    def ask(self, method="INVITE", uri=None, **kwargs):
        self.request = self.alice.request(method, uri or "sip:callee@" + self.stage.server.host_port,
                                          headers=self.headers + list(kwargs.pop("headers", ())),
                                          **kwargs)
        self.alice.send(self.request, self.stage.server.address)
        return self.request

    def take(self, phone, *statuses, method="INVITE"):
        """The phone takes the request and answers; statuses 100 to 699, in turn."""
        incoming = phone.expect_request(method)
        for status in statuses:
            phone.reply(incoming, status)
            if 180 <= status < 200 and status != 183:
                self.alice.expect_reply(status, self.request)
        return incoming

    def end(self, status):
        return self.alice.expect_reply(status, self.request)


# ---- serial forking ---------------------------------------------------------------------------------
@table("serial", [
    ("busy-then-answered", None, (486,), (200,)),
    ("ringing-busy-answered", None, (180, 486), (180, 200)),
    ("progress-is-dropped", None, (183, 404), (180, 200)),
    ("declined-everywhere", None, (603,), (603,)),
    ("unavailable-then-busy", None, (480,), (486,)),
    ("busy-then-unavailable", None, (486,), (480,)),
    ("503-then-500", None, (503,), (500,)),
    ("500-then-503", None, (500,), (503,)),
    ("401-then-486", None, (401,), (486,)),
    ("302-then-404", None, (302,), (404,)),
    ("487-then-404", None, (487,), (404,)),
    ("drop-all", "drop", (486,), (404,)),
    ("drop-last", "last", (404,), (486,)),
    ("branch-route", "branch", (404,), (486,)),
])
def serial(stage, mode, first, second):
    play = Play(stage, "SERIAL", mode)
    play.ask()
    play.take(play.a, *first)
    play.take(play.b, *second)
    play.end(range(200, 700))


@table("serial-timeout", [("then-answered", 200), ("then-busy", 486)])
def serial_timeout(stage, status):
    play = Play(stage, "SERIAL")
    play.ask()
    play.take(play.a)
    play.take(play.b, status)
    play.end(range(200, 700))


@table("failure", [
    ("stop-486", "stop", 486), ("stop-503", "stop", 503), ("stop-603", "stop", 603),
    ("stop-302", "stop", 302), ("stop-407", "stop", 407), ("reply-486", "reply", 486),
    ("reply-603", "reply", 603),
])
def failure(stage, mode, status):
    play = Play(stage, "SERIAL", mode)
    play.ask()
    play.take(play.a, status)
    play.end(range(200, 700))


@table("failure-adds", [("branch", "both", "bb"), ("copy", "copy", "bc")])
def failure_adds(stage, mode, phones):
    play = Play(stage, "SERIAL", mode)
    play.ask()
    play.take(play.a, 486)
    for phone in phones:
        play.take(getattr(play, phone), 404)
    play.end(404)


@table("serial-message", [("404", 404), ("486", 486), ("200", 200), ("603", 603)])
def serial_message(stage, status):
    play = Play(stage, "SERIAL")
    play.ask("MESSAGE")
    play.take(play.a, status, method="MESSAGE")
    if status != 200:
        play.take(play.b, 480, method="MESSAGE")
    play.end(range(200, 700))


@scenario
def serial_cancelled_in_the_second_leg(stage):
    play = Play(stage, "SERIAL")
    play.ask()
    play.take(play.a, 486)
    incoming = play.take(play.b, 180)
    play.alice.expect_reply(200, play.alice.cancel(play.request))     # else it races with the 487
    play.b.reply(play.b.expect_request("CANCEL"), 200)
    play.b.reply(incoming, 487)
    play.end(487)


@scenario
def serial_cancelled_in_the_first_leg(stage):
    play = Play(stage, "SERIAL")
    play.ask()
    incoming = play.take(play.a, 180)
    play.alice.expect_reply(200, play.alice.cancel(play.request))     # else it races with the 487
    play.a.reply(play.a.expect_request("CANCEL"), 200)
    play.a.reply(incoming, 487)
    play.end(487)


# ---- what is armed and set on the way ----------------------------------------------------------------
@table("armed", [
    ("first-branch", "told", 0, (180, 404), (180, 480)), ("second-branch", "told", 1, (180, 404), (180, 480)),
    ("neither", "told", 9, (404,), (480,)), ("second-wins", "told", 9, (480,), (404,)),
    ("changed-told", "told", 9, (480,), (486,)),
    ("changed", None, 9, (480,), (486,)), ("all-dropped", "dropped", 9, (404,), (480,)),
    ("next-leg", "next", 9, (180, 404), (180, 480)),
])
def armed(stage, mode, which, first, second):
    play = Play(stage, "ARMED", mode, [("X-Which", str(which))])
    play.ask()
    play.take(play.a, *first)
    stage.settle()                  # else either reply may be the first
    play.take(play.b, *second)
    if mode == "next":
        play.take(play.c, 486)
    play.end(range(300, 700))


@scenario
def reply_while_the_script_of_its_request_runs(stage):
    play = Play(stage, "QUICK")
    play.ask("MESSAGE")
    incoming = play.take(play.a, 180, method="MESSAGE")
    stage.settle()
    play.a.reply(incoming, 404)
    play.end(499)


@scenario
def branch_failure_route_runs_once(stage):
    play = Play(stage, "ARMED", "events", [("X-Which", "9")])
    play.ask()
    for status in (480, 404):
        incoming = play.take(play.a, status)
        assert play.a.expect_request("ACK").branch == incoming.branch
    play.end(range(300, 700))


@scenario
def refused_after_it_was_sent(stage):
    play = Play(stage, "ARMED", "refused", [("X-Which", "9")])
    play.ask()
    play.end(480)
    for phone in (play.a, play.b):
        phone.reply(phone.expect_request("INVITE"), 180)
        phone.reply(phone.expect_request("CANCEL"), 200)


# ---- parallel forking -------------------------------------------------------------------------------
@table("parallel", [
    ("first-answers", None, (180,), (180,), "a"), ("second-answers", None, (180,), (180,), "b"),
    ("renamed", "rename", (180,), (180,), "a"),
])
def parallel(stage, mode, first, second, who):
    play = Play(stage, "PARALLEL", mode)
    play.ask()
    one = play.take(play.a, *first)
    two = play.take(play.b, *second)
    winner, loser = ((play.a, one), (play.b, two))[::1 if who == "a" else -1]
    winner[0].reply(winner[1], 200)
    play.end(200)
    loser[0].reply(loser[0].expect_request("CANCEL"), 200)
    loser[0].reply(loser[1], 487)
    loser[0].expect_request("ACK")


@table("parallel-failures", [
    ("486-404", None, 486, 404), ("404-486", None, 404, 486), ("503-404", None, 503, 404),
    ("401-407", None, 401, 407), ("302-486", None, 302, 486), ("500-480", None, 500, 480),
    ("6xx-disabled", "6xx", 603, 486), ("drop-branch", "drop", 486, None),
])
def parallel_failures(stage, mode, first, second):
    play = Play(stage, "PARALLEL", mode)
    play.ask()
    one = play.take(play.a, 180)
    two = play.take(play.b, 180) if second else None
    play.a.reply(one, first)
    play.a.expect_request("ACK")
    if two:
        play.b.reply(two, second)
    play.end(range(300, 700))


@scenario
def parallel_declined(stage):
    play = Play(stage, "PARALLEL")
    play.ask()
    one = play.take(play.a, 180)
    two = play.take(play.b, 180)
    play.a.reply(one, 603)
    play.b.reply(play.b.expect_request("CANCEL"), 200)
    play.b.reply(two, 487)
    play.end(603)


@scenario
def branch_failure_adds_a_branch(stage):
    play = Play(stage, "PARALLEL", "events")
    play.ask()
    one = play.take(play.a, 180)
    two = play.take(play.b, 180)
    play.a.reply(one, 486)
    three = play.take(play.c, 180)
    play.c.reply(three, 200)
    play.end(200)
    play.b.reply(play.b.expect_request("CANCEL"), 200)
    play.b.reply(two, 487)


@scenario
def branches_have_the_next_hop_of_their_time(stage):
    play = Play(stage, "NEXTHOP")
    play.ask("MESSAGE")
    for phone in (play.c, play.a, play.a):
        play.take(phone, 404, method="MESSAGE")
    play.end(404)


@table("q-values", [                         # the highest first, what has none at the end
    ("first", (("b", 200),)), ("second", (("b", 486), ("c", 200))),
    ("third", (("b", 486), ("c", 404), ("a", 200))),
    ("none", (("b", 486), ("c", 404), ("a", 480))),
])
def q_values(stage, steps):
    play = Play(stage, "QVALUES")
    play.ask()
    for who, status in steps:
        play.take(getattr(play, who), status)
    play.end(range(200, 700))


# ---- answers of the script --------------------------------------------------------------------------
@scenario
def script_sends_a_provisional(stage):
    play = Play(stage, "PROVISIONAL")
    play.ask()
    play.alice.expect_reply(183, play.request)
    play.take(play.a, 180, 200)
    play.end(200)


@table("script-answers", [
    ("stateful", "STATEFUL", None, "INVITE"), ("stateful-message", "STATEFUL", None, "MESSAGE"),
    ("dropped", "DROPPED", None, "MESSAGE"), ("redirect", "REDIRECT", None, "INVITE"),
    ("redirect-tm", "REDIRECT", "tm", "INVITE"), ("redirect-message", "REDIRECT", None, "MESSAGE"),
])
def script_answers(stage, route, mode, method):
    play = Play(stage, route, mode)
    play.ask(method)
    stage.settle()
    if route != "DROPPED":
        play.alice.resend(play.request)


@table("change", [("200", 200), ("603", 603), ("486", 486), ("404", 404)])
def change_reply(stage, status):
    play = Play(stage, "CHANGE")
    play.ask("MESSAGE")
    play.take(play.a, status, method="MESSAGE")
    play.end(range(200, 700))


@table("timer", [("no-answer", ()), ("rings", (180,))])
def timer(stage, statuses):
    play = Play(stage, "TIMERS")
    play.ask()
    play.take(play.a, *statuses)
    play.end(408)


@table("stateless", [("plain", None, "MESSAGE"), ("record", "record", "INVITE")])
def stateless(stage, mode, method):
    play = Play(stage, "STATELESS", mode)
    play.ask(method)
    incoming = play.a.expect_request(method)
    reply = play.a.reply_to(incoming, 200)
    play.a.send(reply, incoming.source)
    play.end(200)


@scenario
def stateless_reply_with_three_vias(stage):
    play = Play(stage, "STATELESS")
    play.ask("MESSAGE", headers=[("Via", "SIP/2.0/UDP 192.0.2.77:5088;branch=z9hG4bK%s-far"
                                  % stage.name)])
    incoming = play.a.expect_request("MESSAGE")
    play.a.send(play.a.reply_to(incoming, 200), incoming.source)
    play.end(200)


@scenario
def replicated(stage):
    play = Play(stage, "REPLICATE")
    play.ask("MESSAGE")
    play.take(play.b, 404, method="MESSAGE")
    play.end(200)


# ---- races ------------------------------------------------------------------------------------------
@scenario
def cancel_after_the_final_reply(stage):
    play = Play(stage, "SERIAL", "stop")
    play.ask()
    play.take(play.a, 180, 200)
    play.end(200)
    play.alice.cancel(play.request)
    stage.settle()


@scenario
def cancel_twice(stage):
    play = Play(stage, "SERIAL", "stop")
    play.ask()
    incoming = play.take(play.a, 180)
    cancel = play.alice.cancel(play.request)
    play.a.reply(play.a.expect_request("CANCEL"), 200)
    play.alice.expect_reply(200, cancel)                # else it races with the 487
    play.alice.resend(cancel)
    play.a.reply(incoming, 487)
    play.end(487)


@scenario
def cancelled_but_answered(stage):
    play = Play(stage, "SERIAL", "stop")
    play.ask()
    incoming = play.take(play.a, 180)
    cancel = play.alice.cancel(play.request)
    play.a.expect_request("CANCEL")
    play.alice.expect_reply(200, cancel)
    play.a.reply(incoming, 200)
    play.end(200)


@scenario
def late_provisional_after_the_final_reply(stage):
    play = Play(stage, "PARALLEL")
    play.ask()
    one = play.take(play.a, 180)
    play.take(play.b, 200)
    play.end(200)
    play.a.expect_request("CANCEL")
    play.a.reply(one, 183)
    play.a.reply(one, 487)
    stage.settle()


@scenario
def two_2xx_of_a_fork(stage):
    play = Play(stage, "PARALLEL")
    play.ask()
    one = play.take(play.a, 180)
    play.take(play.b, 200)
    play.end(200)
    play.a.expect_request("CANCEL")
    play.a.reply(one, 200)
    stage.settle()


@scenario
def callee_repeats_its_2xx(stage):
    play = Play(stage, "SERIAL", "stop")
    play.ask()
    incoming = play.take(play.a, 200)
    ok = play.end(200)
    play.a.reply(incoming, 200)
    Dialog.from_client(play.alice, play.request, ok).ack()
    stage.settle()


# ---- pauses -----------------------------------------------------------------------------------------
def wake(stage, name):
    other = stage.agent(name)
    other.send(other.request("MESSAGE", "sip:x@" + stage.server.host_port,
                             headers=[("Play", "CONTINUE")]), stage.server.address)
    other.expect_reply(200)


@scenario
def suspended(stage):
    """One after the other, because the script keeps one number."""
    play = Play(stage, "SUSPEND")
    play.ask()
    stage.settle()
    wake(stage, "other")
    play.take(play.a, 180, 486)
    play.end(486)
    play.headers.append(("X-Mode", "reply"))
    play.ask()
    stage.settle()
    wake(stage, "another")
    play.end(486)


# ---- routes -----------------------------------------------------------------------------------------
US, OTHER, STRICT = "<sip:SERVER;lr>", "<sip:192.0.2.20;lr>", "<sip:192.0.2.21>"
ROUTES = [
    ("none", []), ("us", [US]), ("us-other", [US, OTHER]), ("us-strict", [US, STRICT]),
    ("us-strict-other", [US, STRICT, OTHER]), ("other", [OTHER]), ("strict", [STRICT]),
    ("two-in-one", [US + ", " + OTHER]), ("three", [US, OTHER, "<sip:192.0.2.22;lr>"]),
    ("double", ["<sip:SERVER;r2=on;lr>", "<sip:SERVER;r2=on;lr>", OTHER]),
    ("double-one-left", ["<sip:SERVER;r2=on;lr>", OTHER]),
    ("us-twice", [US, US]), ("us-strict-us", ["<sip:SERVER>"]),
    ("us-strict-us-other", ["<sip:SERVER>", OTHER]),
    ("ftag-caller", ["<sip:SERVER;lr;ftag=NAME-from-2>"]),
    ("ftag-callee", ["<sip:SERVER;lr;ftag=zzz>"]),
    ("parameter", ["<sip:SERVER;lr;x=y>", OTHER]), ("user", ["<sip:me@SERVER;lr>", OTHER]),
    ("transport-tcp", ["<sip:SERVER;transport=tcp;lr>", OTHER]),
    ("other-port", ["<sip:SERVER-IP:9;lr>", OTHER]), ("broken", ["<sip:SERVER;lr", OTHER]),
    ("text", ["hello"]), ("lr-on", ["<sip:SERVER;lr=on>", OTHER]),
    ("header-parameter", [US + ";a=b", OTHER + ";c=d"]),
]


def routes_of(stage, routes):
    return [("Route", route.replace("SERVER-IP", stage.server.address[0])
             .replace("SERVER", stage.server.host_port).replace("NAME", stage.name))
            for route in routes]


@table("loose", ROUTES)
def loose(stage, routes):
    play = Play(stage, "LOOSE")
    play.ask("INFO", "sip:callee@192.0.2.30", to="<sip:callee@192.0.2.30>;tag=t",
             headers=routes_of(stage, routes))
    play.end(200)


@table("loose-initial", [row for row in ROUTES if row[0] in (
    "us", "us-other", "other", "us-strict", "double", "three")])
def loose_initial(stage, routes):
    play = Play(stage, "LOOSE")
    play.ask("MESSAGE", "sip:callee@192.0.2.30", headers=routes_of(stage, routes))
    play.end(200)


@table("preloaded", [row for row in ROUTES if row[0] in ("none", "us", "us-other", "other")])
def preloaded(stage, routes):
    play = Play(stage, "PRELOADED")
    play.ask("MESSAGE", "sip:callee@192.0.2.30", headers=routes_of(stage, routes))
    play.end(200)


@table("strict-uri", [("us", "sip:SERVER", ["<sip:callee@192.0.2.30>"]),
                      ("us-lr", "sip:SERVER;lr", ["<sip:callee@192.0.2.30;lr>"]),
                      ("us-two", "sip:SERVER;lr", [OTHER, "<sip:callee@192.0.2.30>"]),
                      ("us-ftag", "sip:SERVER;lr;ftag=q", [OTHER])])
def strict_uri(stage, uri, routes):
    play = Play(stage, "LOOSE")
    play.ask("INFO", uri.replace("SERVER", stage.server.host_port),
             to="<sip:callee@192.0.2.30>;tag=t", headers=routes_of(stage, routes))
    play.end(200)


@table("record", [(mode or "plain", mode) for mode in (
    None, "param", "preset", "advertised", "twice")])
def record(stage, mode):
    play = Play(stage, "RECORD", mode)
    play.ask()
    play.take(play.a, 180, 200)
    play.end(200)


# ---- checks -----------------------------------------------------------------------------------------
@table("sanity", [
    ("sane", "17895", lambda m: None),
    ("version", "1", lambda m: setattr(m, "start_line", m.start_line.replace("/2.0", "/1.0"))),
    ("no-call-id", "4", lambda m: m.remove("Call-ID")),
    ("no-max-forwards", "4", lambda m: m.remove("Max-Forwards")),
    ("cseq-method", "32", lambda m: m.set("CSeq", "1 INVITE")),
    ("cseq-value", "64", lambda m: m.set("CSeq", "99999999999 MESSAGE")),
    ("cseq-negative", "64", lambda m: m.set("CSeq", "-1 MESSAGE")),
    ("length", "128", lambda m: m.set("Content-Length", "77")),
    ("expires", "256", lambda m: m.add("Expires", "soon")),
    ("proxy-require", "512", lambda m: m.add("Proxy-Require", "foo, bar")),
    ("from-uri", "1024", lambda m: m.set("From", "<sip:a@[1::>;tag=x")),
    ("contact-uri", "1024", lambda m: m.add("Contact", "<sip:a b@[>")),
    ("digest", "2048", lambda m: m.add("Authorization", "Digest username=")),
    ("digest-user-only", "2048", lambda m: m.add("Authorization", 'Digest username="a"')),
    ("digest-empty", "2048", lambda m: m.add("Authorization", "Digest")),
    ("digest-no-response", "2048", lambda m: m.add("Authorization", 'Digest username="a", realm="b", nonce="c", uri="sip:d"')),
    ("digest-not-quoted", "2048", lambda m: m.add("Authorization", 'Digest username=a, realm=b')),
    ("tags", "4096", lambda m: m.set("To", "<sip:x@192.0.2.1>;tag=SAME")
     .set("From", "<sip:y@192.0.2.1>;tag=SAME")),
    ("authorization", "8192", lambda m: m.add("Authorization", "Basic x")),
    ("via-parameters", "16384", lambda m: None),
])
def sanity(stage, checks, damage):
    play = Play(stage, "SANITY", headers=[("X-Checks", checks)])
    request = play.alice.request("MESSAGE", "sip:callee@" + stage.server.host_port,
                                 headers=play.headers)
    damage(request)
    play.alice.send(request, stage.server.address)


# ---- the registrar ----------------------------------------------------------------------------------
OUTBOUND = [("Supported", "outbound, path")]
URN = '+sip.instance="<urn:uuid:00000000-0000-0000-0000-00000000000%d>"'


@table("save", [
    ("memory", [("CONTACT", 600, [("X-Flags", "memory")])]),
    ("silent", [("CONTACT", 600, [("X-Flags", "silent")])]),
    ("single", [("CONTACT", 600, []), ("<sip:b@192.0.2.2>", 600, [("X-Flags", "single")])]),
    ("exact", [("CONTACT", 600, [("X-Flags", "exact")])]),
    ("headers", [("CONTACT", 600, [("X-Flags", "headers")])]),
    ("aor", [("CONTACT", 600, [("X-Flags", "aor")])]),
    ("max-1", [("CONTACT", 600, [("X-Max", "1")]), ("<sip:b@192.0.2.2>", 600, [("X-Max", "1")])]),
    ("max-1-refresh", [("CONTACT", 600, [("X-Max", "1")]), ("CONTACT", 900, [("X-Max", "1")])]),
    ("max-2-three-at-once", [("CONTACT, <sip:b@192.0.2.2>, <sip:c@192.0.2.3>", 600,
                              [("X-Max", "2")])]),
    ("max-exchange", [("CONTACT", 600, [("X-Max", "1")]),
                      ("CONTACT;expires=0, <sip:b@192.0.2.2>", 600, [("X-Max", "1")])]),
    ("mixed-expires", [("CONTACT;expires=0, <sip:b@192.0.2.2>;expires=300, <sip:c@192.0.2.3>",
                        600, [])]),
    ("same-twice", [("CONTACT, CONTACT;q=0.5", 600, [])]),
    ("q-changes", [("CONTACT;q=0.1", 600, []), ("CONTACT;q=0.9", 600, [])]),
    ("q-forgotten", [("CONTACT;q=0.1", 600, []), ("CONTACT", 600, [])]),
    ("star-after-three", [("CONTACT, <sip:b@192.0.2.2>, <sip:c@192.0.2.3>", 600, []),
                          ("*", 0, []), (None, None, [])]),
    ("remove-one-of-two", [("CONTACT, <sip:b@192.0.2.2>", 600, []),
                           ("<sip:b@192.0.2.2>", 0, []), (None, None, [])]),
    ("path", [("CONTACT", 600, [("Path", "<sip:192.0.2.60;lr>, <sip:192.0.2.61;lr;x=y>"),
                                ("Supported", "path")])]),
    ("path-unsupported", [("CONTACT", 600, [("Path", "<sip:192.0.2.60;lr>")])]),
    ("path-changes", [("CONTACT", 600, [("Path", "<sip:192.0.2.60;lr>"), ("Supported", "path")]),
                      ("CONTACT", 600, [("Path", "<sip:192.0.2.62;lr>"), ("Supported", "path")])]),
    ("instance", [("CONTACT;" + URN % 1 + ";reg-id=1", 600, OUTBOUND)]),
    ("instance-moves", [("CONTACT;" + URN % 2, 600, []), ("<sip:b@192.0.2.2>;" + URN % 2, 600, [])]),
    ("gruu", [("CONTACT;" + URN % 3, 600, [("Supported", "gruu")])]),
    ("require-outbound", [("CONTACT;" + URN % 4 + ";reg-id=1", 600, [("Require", "outbound")])]),
    ("methods", [('CONTACT;methods="INVITE, MESSAGE"', 600, [])]),
    ("user-agent", [("CONTACT", 600, [("User-Agent", "phone/2")])]),
    ("received", [("CONTACT", 600, [("X-Received", "sip:192.0.2.90:5090")])]),
    ("below-minimum", [("CONTACT;expires=5", None, [])]),
    ("no-expires", [("CONTACT", None, [])]),
    ("expires-0-unknown", [("<sip:nobody@192.0.2.9>", 0, [])]),
])
def save(stage, rows):
    phone = stage.agent("phone")
    play = Play(stage, "FETCH")
    for contact, expires, headers in rows:
        contacts = [contact.replace("CONTACT", phone.contact)] if contact else []
        phone.register(contact=contacts, expires=expires, headers=headers, status=range(200, 700))
    play.ask("MESSAGE", phone.aor)
    play.end(200)


LOOKUPS = [
    ("one", "CONTACT", []), ("three-by-q",
                             "<sip:a@192.0.2.1>;q=0.2, CONTACT;q=0.9, <sip:c@192.0.2.3>;q=0.5", []),
    ("no-q", "<sip:a@192.0.2.1>, <sip:c@192.0.2.3>;q=0.5", []),
    ("path", "CONTACT", [("Path", "<sip:192.0.2.60;lr>"), ("Supported", "path")]),
    ("received", "CONTACT", [("X-Received", "sip:192.0.2.90:5090")]),
    ("methods-without", 'CONTACT;methods="INVITE"', []),
    ("uri-parameters", "<sip:u@192.0.2.5:5099;transport=tcp;line=x;ob>", []),
]


@table("lookup", LOOKUPS)
def lookup(stage, contact, headers):
    look(stage, contact, headers, None)


@table("lookup-to-dset", LOOKUPS)
def lookup_to_dset(stage, contact, headers):
    look(stage, contact, headers, "dset")


@table("registered", [row for row in LOOKUPS if row[0] in ("one", "path")])
def registered(stage, contact, headers):
    look(stage, contact, headers, "registered")


@table("unregister", [row for row in LOOKUPS if row[0] in ("one", "three-by-q")])
def unregister(stage, contact, headers):
    play = look(stage, contact, headers, "unregister")
    play.headers[0] = ("Play", "FETCH")
    play.ask("MESSAGE", play.request.uri)
    play.end(200)


def look(stage, contact, headers, mode):
    phone = stage.agent("phone")
    phone.register(contact=[contact.replace("CONTACT", phone.contact)], expires=600,
                   headers=headers)
    play = Play(stage, "LOOKUP", mode)
    play.ask("MESSAGE", phone.aor)
    play.end(200)
    return play


@table("lookup-nobody", [("plain", None), ("dset", "dset"), ("registered", "registered"),
                         ("unregister", "unregister")])
def lookup_nobody(stage, mode):
    play = Play(stage, "LOOKUP", mode)
    play.ask("MESSAGE", "sip:nobody-%s@%s" % (stage.name, stage.server.host_port))
    play.end(200)
