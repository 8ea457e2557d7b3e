# SPDX-License-Identifier: BSD-2-Clause
"""What is measured: configurations and how the load generator drives them."""


def modules(*names):
    return "".join('loadmodule "%s.so"\n' % name for name in names)


ANSWER = """
request_route {
	sl_send_reply("200", "OK");
}
"""
FORWARD = """
request_route {
	if (uri == myself) {
		sl_send_reply("200", "OK");
		exit;
	}
	forward();
}
"""
CALL = """
request_route {
	if (has_totag()) {
		if (loose_route()) t_relay();
		exit;
	}
	if (is_method("INVITE")) {
		record_route();
		t_relay();
		exit;
	}
	sl_send_reply("200", "OK");
}
"""
REGISTER = """
modparam("usrloc", "hash_size", 14)
request_route {
	if (is_method("REGISTER")) {
		save("location");
		exit;
	}
	sl_send_reply("200", "OK");
}
"""
USER_CALL = """
modparam("usrloc", "hash_size", 14)
request_route {
	if (has_totag()) {
		if (loose_route()) t_relay();
		exit;
	}
	if (is_method("REGISTER")) {
		save("location");
		exit;
	}
	if (is_method("INVITE")) {
		record_route();
		if (!lookup("location")) {
			sl_send_reply("404", "Not Found");
			exit;
		}
		t_relay();
		exit;
	}
	sl_send_reply("200", "OK");
}
"""
RELAYING = modules("tm", "sl", "rr", "pv", "siputils", "textops")
REGISTERING = modules("tm", "sl", "usrloc", "registrar", "pv", "textops")
BOTH = modules("tm", "sl", "rr", "pv", "siputils", "textops", "usrloc", "registrar")


class Scenario:
    """`modes`: options of the load generator by mode, `count`: calls of the shorter and the longer
    run whose instructions are compared."""

    def __init__(self, title, load, text, modes, warm_up=2000, users=0, count=(200, 800)):
        self.title, self.load, self.text = title, load, text
        self.modes, self.warm_up, self.users, self.count = modes, warm_up, users, count

    def options(self, mode):
        return self.modes[mode] + ("--warm-up", self.warm_up, "--users", self.users)

    def count_options(self, calls):
        # A generous patience: under callgrind a server is fifty times slower.
        return ("--calls", calls, "--window", 4, "--warm-up", 50, "--patience", 20000,
                "--users", min(self.users, 200))


def modes(calls, window, rate):
    return {"max": ("--calls", calls, "--window", window),
            "paced": ("--calls", 2 * rate, "--window", 2000, "--rate", rate)}


SCENARIOS = {
    "S1": Scenario("OPTIONS, 200", "options", modules("sl") + ANSWER, modes(60000, 64, 4000)),
    "S2": Scenario("OPTIONS, forward()", "forward", modules("sl") + FORWARD,
                   modes(30000, 64, 3000)),
    "S3": Scenario("INVITE to BYE, record-routed", "call", RELAYING + CALL,
                   modes(10000, 128, 1000), warm_up=500, count=(100, 400)),
    "S4": Scenario("REGISTER, new contact", "register", REGISTERING + REGISTER,
                   modes(40000, 64, 3000)),
    "S6": Scenario("S3 to one of 100,000 users", "call", BOTH + USER_CALL,
                   modes(10000, 128, 1000), warm_up=500, users=100000, count=(100, 400)),
}
