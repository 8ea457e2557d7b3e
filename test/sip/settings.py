# SPDX-License-Identifier: BSD-2-Clause
"""The common beginning of the scenarios' configurations."""

MODULES = ("kex corex tm tmx sl rr pv maxfwd usrloc registrar textops textopsx siputils xlog "
           "sanity").split()


def head(*extra_modules, children=2, timers=False, **settings):
    """Globals and loadmodule lines. `timers` shortens those of tm (fr_timer 500 ms,
    fr_inv_timer 1.5 s, first
    retransmission after 150 ms); module__parameter=value sets a module's parameter, with the value as it
    stands in the configuration."""
    lines = ["#!KAMAILIO", "debug=2", "log_stderror=yes", "children=%d" % children,
             "auto_aliases=no", "disable_tcp=yes"]
    lines += ['loadmodule "%s.so"' % name for name in MODULES + list(extra_modules)]
    values = {"registrar__max_expires": 3600}
    if timers:
        values.update(tm__fr_timer=500, tm__fr_inv_timer=1500, tm__retr_timer1=150,
                      tm__retr_timer2=300)
    values.update(settings)
    for name, value in values.items():
        module, parameter = name.split("__", 1)
        lines.append('modparam("%s", "%s", %s)' % (module, parameter, value))
    return "\n".join(lines) + "\n"


# Answers the harness's question whether the server is up, and absorbs retransmissions.
START = """
	if (is_method("OPTIONS") && $rU == "harness-ready") {
		sl_send_reply("200", "Ready");
		exit;
	}
"""

# A proxy and registrar in the manner of most configurations.
PROXY = """
request_route {
""" + START + """
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	if (!is_method("ACK")) {
		if (t_precheck_trans()) {
			t_check_trans();
			exit;
		}
		t_check_trans();
	}
	if (has_totag()) {
		if (loose_route()) {
			route(RELAY);
		}
		if (is_method("ACK")) {
			if (t_check_trans()) t_relay();
			exit;
		}
		sl_send_reply("404", "Not here");
		exit;
	}
	remove_hf("Route");
	if (is_method("INVITE|SUBSCRIBE")) record_route();
	if (is_method("REGISTER")) {
		if (!save("location")) sl_reply_error();
		exit;
	}
	if ($rU == $null) {
		sl_send_reply("484", "Address Incomplete");
		exit;
	}
	route(LOCATE);
}

route[LOCATE] {
	if (!lookup("location")) {
		sl_send_reply("404", "Not Found");
		exit;
	}
	route(RELAY);
}
"""

RELAY = """
route[RELAY] {
	if (!t_relay()) sl_reply_error();
	exit;
}
"""
