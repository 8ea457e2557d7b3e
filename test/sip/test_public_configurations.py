# SPDX-License-Identifier: BSD-2-Clause
"""What configurations that people publish write and the other scenarios do not."""
import os

import pytest
from settings import START, head

os.environ["PUBLIC_TEST_HOST"] = "gw.example.com"

SUBSTITUTIONS = """
#!substdef "!FROM_ENVIRONMENT!$env(PUBLIC_TEST_HOST)!g"
#!substdef "!INSIDE!sip:$env(PUBLIC_TEST_HOST):5070!g"
#!substdef "!NOT_SET!$env(PUBLIC_TEST_NOT_SET)!g"
#!substdef "!LATER!$def(FOLLOWS)!g"
#!define FOLLOWS 77
#!substdef "!QUERY!select '\\$rU' from $def(FOLLOWS)!g"
#!substdef "!DOLLAR!a$$b!g"
#!substdef "!THIS_MACHINE!$HN(n)!g"
#!substdef "!TABLE!gone!g"
#!substdef "!TEXT!b!g"
#!substdef "!SHORT!$(env(PUBLIC_TEST_HOST){re.subst,/^([a-z]+)\\..*/\\1/})!g"
modparam("pv", "shvset", "one=s:FROM_ENVIRONMENT|INSIDE|NOT_SET|LATER|DOLLAR|SHORT")
"""

CONFIG = head("htable", "ipops") + SUBSTITUTIONS + """
modparam("htable", "htable", "gone=>size=4;autoexpire=1")
modparam("htable", "timer_interval", 1)
modparam("registrar", "min_expires", 1)
request_route {
""" + START + """
	if (is_method("REGISTER")) {
		save("location");
		exit;
	}
	switch ($rU) {
	case "substitutions":
		append_to_reply("X-One: $shv(one)\\r\\n");
		append_to_reply("X-Two: QUERY\\r\\n");
		if ($HN(n) == "THIS_MACHINE") append_to_reply("X-Three: same\\r\\n");
		break;
	case "variables":
		$var(text) = "abc";
		$sht(TABLE=>key) = $(var(text){s.replace,TEXT,TABLE});
		$var(text) = $_s(TEXT of $sht(TABLE=>key));
		append_to_reply("X-One: $var(text)\\r\\n");
		break;
	case "events":
		append_to_reply("X-One: $shv(binding) $shv(record)\\r\\n");
		break;
	case "expire":
		$sht(gone=>bob) = 1;
		break;
	case "sl_reply":
		sl_reply("40" + "4", "No $rU");
		exit;
	}
	sl_send_reply("200", "Done");
}
route[LOG] {
	if ($shtrecord(key) == "bob" && $ulc(exp=>aor) == $null) $shv(record) = $shv(record) + 1;
	if ($ulc(exp=>aor) == "alice" && $shtrecord(value) == "")
		$shv(binding) = $shv(binding) + 1;
}
event_route[usrloc:contact-expired] {
	route(LOG);
}
event_route[htable:expired:gone] {
	route(LOG);
}
"""


@pytest.fixture(scope="module")
def config():
    return CONFIG


def ask(alice, server, user):
    request = alice.request("MESSAGE", "sip:%s@%s" % (user, alice.domain))
    alice.send(request, server.address)
    return alice.expect_reply(200, request)


def test_substitutions_have_values_of_variables(agent, server):
    reply = ask(agent("alice"), server, "substitutions")
    assert reply["X-One"] == "gw.example.com|sip:gw.example.com:5070||77|a$b|gw"
    assert reply["X-Two"] == "select 'substitutions' from 77"
    assert reply["X-Three"] == "same"


def test_substitutions_are_made_inside_variables(agent, server):
    assert ask(agent("alice"), server, "variables")["X-One"] == "b of agonec"


def test_sl_reply_answers_like_sl_send_reply(agent, server):
    alice = agent("alice")
    request = alice.request("MESSAGE", "sip:sl_reply@" + alice.domain)
    alice.send(request, server.address)
    assert alice.expect_reply(404, request).reason == "No sl_reply"


@pytest.mark.viaduct_only("Kamailio reads the other event's data as its own")
def test_an_event_has_no_data_for_variables_of_another_module(agent, server):
    alice = agent("alice")
    request = alice.request("REGISTER", "sip:" + alice.domain, alice.aor,
                            headers=[("Contact", alice.contact), ("Expires", "1")])
    alice.send(request, server.address)
    alice.expect_reply(200, request)
    ask(alice, server, "expire")
    for _ in range(100):
        alice.collect(0.1)
        counts = ask(alice, server, "events")["X-One"]
        if "0" not in counts.split():
            break
    assert counts == "1 1"
