# SPDX-License-Identifier: BSD-2-Clause
"""What is measured: configurations and how the load generator drives them."""
import os

import accounts


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
REGISTER_SETTINGS = """
modparam("usrloc", "hash_size", 14)
"""
REGISTER = REGISTER_SETTINGS + """request_route {
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
LOGIN = """
request_route {
	if (is_method("REGISTER")) {
		if (!%s) {
			auth_challenge("$fd", "0");
			exit;
		}
		save("location");
		exit;
	}
	sl_send_reply("200", "OK");
}
"""
IN_SCRIPT = LOGIN % ('pv_www_authenticate("$fd", "%s", "0")' % accounts.PASSWORD)
IN_DATABASE = """
modparam("auth_db", "db_url", DBURL)
modparam("auth_db", "calculate_ha1", 1)
modparam("auth_db", "password_column", "password")
modparam("auth_db", "load_credentials", "")
""" + LOGIN % 'auth_check("$fd", "subscriber", "1")'
RELAYING = modules("tm", "sl", "rr", "pv", "siputils", "textops")
REGISTERING = modules("tm", "sl", "usrloc", "registrar", "pv", "textops")
BOTH = modules("tm", "sl", "rr", "pv", "siputils", "textops", "usrloc", "registrar")


STOCK = "/etc/kamailio/kamailio.cfg"
STOCK_DEFINES = ("-A", "WITH_MYSQL", "-A", "WITH_AUTH", "-A", "WITH_USRLOCDB")


class Scenario:
    """`text`: a configuration, or the path of one. `engine`: of the database that DBURL means there.
    `modes`: options of the load generator by mode, `usual_modes` those that are measured unless others are
    asked for, `count`: calls of the shorter and the longer
    run whose instructions are compared (None: it starts too slowly under callgrind)."""

    def __init__(self, title, load, text, modes, warm_up=2000, users=0, count=(200, 800),
                 engine=None, defines=(), usual_modes=("max",)):
        self.title, self.load, self.text = title, load, text
        self.modes, self.warm_up, self.users, self.count = modes, warm_up, users, count
        self.engine, self.defines, self.usual_modes = engine, defines, usual_modes

    def is_there(self):
        """Whether this machine has what the scenario needs."""
        return (self.engine is None or accounts.is_there(self.engine)) and \
            ("\n" in self.text or os.path.exists(self.text))

    def arguments(self):
        """More words of the command line; the database is as if nobody had registered."""
        if not self.engine:
            return self.defines
        return self.defines + ("-A", 'DBURL="%s"' % accounts.fresh_url(self.engine))

    def options(self, mode):
        return self.modes[mode] + ("--warm-up", self.warm_up) + self.people(self.users)

    def people(self, users):
        return ("--users", users) + (("--password", accounts.PASSWORD) if self.is_login() else ())

    def is_login(self):
        return "auth_challenge" in self.text or "WITH_AUTH" in self.defines

    def count_options(self, calls):
        # A generous patience: under callgrind a server is fifty times slower.
        return ("--calls", calls, "--window", 4, "--warm-up", 50, "--patience", 20000) \
            + self.people(min(self.users, 200))


def modes(calls, window, rate):
    return {"max": ("--calls", calls, "--window", window),
            "paced": ("--calls", 2 * rate, "--window", 2000, "--rate", rate)}


BOTH_MODES = ("max", "paced")
SCENARIOS = {
    "S1": Scenario("OPTIONS, 200", "options", modules("sl") + ANSWER, modes(60000, 64, 4000)),
    "S2": Scenario("OPTIONS, forward()", "forward", modules("sl") + FORWARD,
                   modes(30000, 64, 3000)),
    "S3": Scenario("INVITE to BYE, record-routed", "call", RELAYING + CALL,
                   modes(10000, 128, 1000), warm_up=500, count=(100, 400), usual_modes=BOTH_MODES),
    "S4": Scenario("REGISTER, new contact", "register", REGISTERING + REGISTER,
                   modes(40000, 64, 3000)),
    "S5P": Scenario("REGISTER, 401, password in the script", "register",
                    REGISTERING + modules("auth") + REGISTER_SETTINGS + IN_SCRIPT,
                    modes(20000, 64, 1500)),
    "S5Q": Scenario("REGISTER, 401, password in SQLite", "register",
                    REGISTERING + modules("db_sqlite", "auth", "auth_db") + REGISTER_SETTINGS + IN_DATABASE,
                    modes(20000, 64, 1500), engine="sqlite"),
    "S5": Scenario("REGISTER, 401, password in MariaDB", "register",
                   REGISTERING + modules("db_mysql", "auth", "auth_db") + REGISTER_SETTINGS + IN_DATABASE,
                   modes(20000, 64, 1500), engine="mariadb"),
    "S6": Scenario("S3 to one of 100,000 users", "call", BOTH + USER_CALL,
                   modes(10000, 128, 1000), warm_up=500, users=100000, count=(100, 400)),
    "S7R": Scenario("stock configuration, REGISTER with login", "refresh", STOCK,
                    modes(10000, 64, 1000), users=2000, count=None, engine="mariadb",
                    defines=STOCK_DEFINES, usual_modes=BOTH_MODES),
    "S7C": Scenario("stock configuration, call with login", "call", STOCK, modes(5000, 64, 500),
                    warm_up=500, users=2000, count=None, engine="mariadb",
                    defines=STOCK_DEFINES, usual_modes=BOTH_MODES),
}
