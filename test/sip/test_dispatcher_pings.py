# SPDX-License-Identifier: BSD-2-Clause
"""Module dispatcher: pings, and what their answers do to the states. The results are the peer's."""
import threading

import pytest
from settings import START, head
from sipua import Agent
from sipua.agent import is_readable
from tables import wait_for

ROUTE = """
request_route {
""" + START + """
	sl_send_reply("200", "Done");
}
event_route[dispatcher:dst-down] {
	xlog("L_NOTICE", "down: $rm $ru\\n");
}
event_route[dispatcher:dst-up] {
	xlog("L_NOTICE", "up: $rm $ru\\n");
}
"""
ALLOWED = ["dispatcher"]
# name: flags in the list, status of its answers (None: no answer)
PLACES = {"plain": (0, 200), "inactive": (1, 200), "trying": (2, 200), "disabled": (4, 200), "probing": (8, 200),
          "inactive-probing": (9, 200), "dead": (8, None), "strange": (8, 404)}
# ds_probing_mode: who is pinged, what the states become
MODES = {
    0: ({"probing", "inactive-probing", "dead", "strange"},
        {"plain": "AX", "inactive": "IX", "trying": "TX", "disabled": "DX", "probing": "AX",
         "inactive-probing": "AX", "dead": "IX", "strange": "IX"}),
    1: (set(PLACES) - {"disabled"},
        {"plain": "AP", "inactive": "AP", "trying": "AP", "disabled": "DX", "probing": "AP",
         "inactive-probing": "AP", "dead": "IP", "strange": "IP"}),
    2: ({"inactive-probing"},
        {"plain": "AX", "inactive": "IX", "trying": "TX", "disabled": "DX", "probing": "AP",
         "inactive-probing": "AX", "dead": "AP", "strange": "AP"}),
    3: ({"probing", "inactive-probing", "dead", "strange"},
        {"plain": "AX", "inactive": "IX", "trying": "TX", "disabled": "DX", "probing": "AP",
         "inactive-probing": "AP", "dead": "IP", "strange": "IP"}),
}


class Places:
    """User agents that answer pings in a thread of their own, and note who asked."""

    def __init__(self):
        self.agents = {name: Agent(name) for name in PLACES}
        self.proxy = Agent("proxy")
        self.pings, self.is_over = [], False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.is_over:
            for name, agent in list(self.agents.items()) + [("proxy", self.proxy)]:
                if not is_readable(agent.socket, 0.002) or not agent.read(0) or not agent.inbox:
                    continue
                ping = agent.inbox.pop(0)
                self.pings.append((name, ping))
                status = PLACES.get(name, (0, 500))[1]
                if status:
                    agent.reply(ping, status)

    def uri(self, name):
        return "sip:" + self.agents[name].host_port

    def asked(self, server):
        """Names of those that this server asked."""
        return {name for name, ping in self.pings if server.host_port in ping["Via"]}

    def close(self):
        self.is_over = True
        self.thread.join()
        for agent in list(self.agents.values()) + [self.proxy]:
            agent.close()


@pytest.fixture(scope="module")
def places():
    places = Places()
    yield places
    places.close()


def config(path, **settings):
    values = {"list_file": '"%s"' % path, "ds_ping_interval": 1, "reload_delta": 0, **settings}
    return head("dispatcher", "jsonrpcs", "ctl", "cfg_rpc", jsonrpcs__transport=4, timers=True,
                **{"dispatcher__" + name: value for name, value in values.items()}) + ROUTE


@pytest.fixture(scope="module")
def servers(launch, places, tmp_path_factory):
    """One for each mode, all at the same time; and one with settings of its own."""
    folder = tmp_path_factory.mktemp("pings")
    rows = ["1 %s %d" % (places.uri(name), flags) for name, (flags, _) in PLACES.items()]
    (folder / "list").write_text("\n".join(rows) + "\n")
    started = {mode: launch(config(folder / "list", ds_probing_mode=mode)) for mode in MODES}
    (folder / "own").write_text("7 sip:127.0.0.1:9 0 0 obproxy=sip:%s;ping_from=sip:me@own\n8 %s 8\n"
                                % (places.proxy.host_port, places.uri("strange")))
    started["own"] = launch(config(folder / "own", ds_probing_mode=1, ds_probing_threshold=2, ds_inactive_threshold=2,
                                   ds_ping_reply_codes='"class=3;code=404"', ds_ping_method='"INFO"',
                                   ds_ping_latency_stats=1))
    return started


def rows_of(server, number):
    for record in server.rpc("dispatcher.list")["RECORDS"]:
        if record["SET"]["ID"] == number:
            return [target["DEST"] for target in record["SET"]["TARGETS"]]
    return None


def states(server, places):
    names = {places.uri(name): name for name in PLACES}
    return {names[row["URI"]]: row["FLAGS"] for row in rows_of(server, 1)}


@pytest.mark.parametrize("mode", MODES)
def test_states_follow_the_answers(servers, places, mode):
    asked, wanted = MODES[mode]
    wait_for(lambda: states(servers[mode], places) == wanted, lambda: str(states(servers[mode], places)))
    assert places.asked(servers[mode]) == asked


def test_events_tell_who_went_and_who_came(servers, places):
    for mode, up, down in ((0, "inactive-probing", "dead"), (1, "inactive", "strange"), (3, "inactive-probing", "dead")):
        servers[mode].wait_log("up: OPTIONS %s\n" % places.uri(up))
        servers[mode].wait_log("down: OPTIONS %s\n" % places.uri(down))


def test_what_a_ping_looks_like(servers, places):
    wait_for(lambda: "proxy" in places.asked(servers["own"]), "no ping came")
    ping = [ping for name, ping in places.pings if name == "proxy"][0]
    assert (ping.method, ping.uri, ping.cseq) == ("INFO", "sip:127.0.0.1:9", (10, "INFO"))
    assert ping["From"].startswith("<sip:me@own>;tag=") and ping["To"] == "<sip:127.0.0.1:9>"
    assert ping["Max-Forwards"] == "70" and ping["Content-Length"] == "0"
    ping = [ping for name, ping in places.pings if name == "probing"][0]
    assert (ping.method, ping.cseq) == ("OPTIONS", (10, "OPTIONS"))
    assert ping["From"].startswith("<sip:dispatcher@localhost>;tag=")


def test_thresholds_and_codes(servers, places):
    server = servers["own"]
    seen = []

    def is_inactive():
        seen.append(rows_of(server, 7)[0]["FLAGS"])
        return seen[-1] == "IP"
    wait_for(is_inactive, lambda: str(seen))
    assert set(seen) <= {"AX", "TP", "IP"} and "TP" in seen
    assert rows_of(server, 8)[0]["FLAGS"] == "AP"
    assert rows_of(server, 8)[0]["LATENCY"].keys() == {"AVG", "STD", "EST", "MAX", "TIMEOUT"}


def test_pings_stop_and_go_on(servers, places):
    server = servers["own"]
    assert server.rpc("dispatcher.ping_active") == {"OldPingState": 1}
    assert server.rpc("dispatcher.ping_active", 0) == {"NewPingState": 0, "OldPingState": 1}
    assert server.rpc("dispatcher.ping_active", 1) == {"NewPingState": 1, "OldPingState": 0}


def test_thresholds_change_while_it_runs(servers):
    servers[2].rpc("cfg.set_now_int", "dispatcher", "probing_threshold", 5)
    assert servers[2].rpc("cfg.get", "dispatcher", "probing_threshold") == 5
