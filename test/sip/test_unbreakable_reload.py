# SPDX-License-Identifier: BSD-2-Clause
"""The script is replaced while requests come: at once, without loss, or not at all."""
import os
import signal
import subprocess
import time

import pytest
from settings import head
from soak import figure, limit
from sipua.load import Load
from sipua.server import RpcError, build_dir

HEAD = head("ctl", "jsonrpcs")
ALLOWED = [r"the script was not reloaded", r"error: ", r"no function|unknown"]
pytestmark = pytest.mark.viaduct_only("the peer does not reload its script")


def script(version):
    return HEAD + """
request_route {
	if (is_method("OPTIONS")) {
		sl_send_reply("200", "Version %s");
		exit;
	}
	if (is_method("MESSAGE")) {
		t_newtran();
		t_reply("202", "Accepted by %s");
	}
}
""" % (version, version)


def rewrite(server, text):
    with open(server.config, "w") as out:
        out.write(text)


def version_of(agent, server):
    request = agent.send(agent.request("OPTIONS", server.uri("version")))
    return agent.expect_reply(200, request).start_line.partition("Version ")[2]


def kamcmd(server, *words):
    return subprocess.run([os.path.join(build_dir(), "utils", "kamcmd"), "-s",
                           "unix:" + os.path.join(server.rundir, "kamailio_ctl")] + list(words),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def by_hangup(server):
    server.process.send_signal(signal.SIGHUP)


def by_kamcmd(server):
    assert "reloaded" in kamcmd(server, "core.reload").stdout


@pytest.mark.parametrize("reload", [by_hangup, by_kamcmd], ids=["SIGHUP", "kamcmd"])
def test_five_reloads_at_1000_requests_a_second_lose_nothing(start_server, agent, reload):
    server = start_server(script(0))
    alice = agent("alice", server)
    load = Load(server, "options", rate=1000, calls=2500, window=2500)
    slowest = 0
    for number in range(1, 6):
        rewrite(server, script(number))
        asked = time.monotonic()
        reload(server)
        while version_of(alice, server) != str(number):
            assert time.monotonic() - asked < limit(1, 5), "not reloaded in time"
        slowest = max(slowest, time.monotonic() - asked)
    figures = load.result()
    assert figures["lost"] == 0 and figures["wrong"] == 0, figures
    figure("5 reloads at 1,000 requests/s: the slowest took effect in %.0f ms, %d requests sent again, "
           "none lost", 1000 * slowest, figures["retransmitted"])
    assert figures["retransmitted"] <= limit(2, 100), figures


def test_a_broken_script_is_refused_with_its_errors_and_the_old_one_goes_on(start_server, agent):
    server = start_server(script("good"))
    alice = agent("alice", server)
    rewrite(server, script("bad").replace("sl_send_reply", "sl_sned_reply"))
    with pytest.raises(RpcError) as refusal:
        server.rpc("core.reload")
    assert "sl_sned_reply" in str(refusal.value) and "test.cfg:" in str(refusal.value)
    assert "sl_send_reply" in str(refusal.value)    # did you mean
    answer = kamcmd(server, "core.reload")
    assert "sl_sned_reply" in answer.stdout
    assert version_of(alice, server) == "good"
    rewrite(server, script("better"))
    server.rpc("core.reload")
    assert version_of(alice, server) == "better"


def test_two_hundred_reloads_leave_no_memory_behind(start_server, agent):
    """100 by RPC and 100 by signal, some of them at the same time."""
    server = start_server(script("same"))
    alice = agent("alice", server)

    def used():
        return int(server.rpc("core.shmmem")["real_used"])

    server.rpc("core.reload")
    before = settled(used)
    for _ in range(100):
        by_hangup(server)
        server.rpc("core.reload")
    assert settled(used, enough=before) <= before
    assert version_of(alice, server) == "same"


def settled(figure, enough=0):
    """The least value within three seconds, or the first that is not more than `enough`: what is replaced
    is freed when nobody runs it."""
    least, deadline = figure(), time.monotonic() + 3
    while least > enough and time.monotonic() < deadline:
        least = min(least, figure())
        time.sleep(0.05)
    return least
