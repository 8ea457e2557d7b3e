# SPDX-License-Identifier: BSD-2-Clause
"""Module xhttp_prom: the page for Prometheus, metrics of the script, commands on them."""
import http.client
import re

import pytest
from settings import START, head
from sipua.server import RpcError

MAIN = """
tcp_accept_no_cl=yes
modparam("xhttp_prom", "prom_counter", "name=plain;")
modparam("xhttp_prom", "prom_counter", "name=labelled; label=method:IP")
modparam("xhttp_prom", "prom_counter", "name=never")
modparam("xhttp_prom", "prom_gauge", "name=level; label=handler")
modparam("xhttp_prom", "prom_gauge", "name=gg;")
modparam("xhttp_prom", "prom_histogram", "name=usual;")
modparam("xhttp_prom", "prom_histogram", "name=own; label=a:b:c; buckets=2.3:5:8.125")
event_route[xhttp:request] {
	if (prom_check_uri()) {
		prom_dispatch();
		exit;
	}
	$var(label) = $hu;
	prom_counter_inc("plain", "3");
	prom_counter_inc("plain", "4");
	prom_counter_inc("labelled", "10", "push", "$var(label)");
	prom_gauge_set("level", "5.25", "my handler");
	prom_gauge_set("gg", "-12.5");
	prom_histogram_observe("usual", "0.3");
	prom_histogram_observe("usual", "0.1");
	prom_histogram_observe("usual", "70");
	prom_histogram_observe("own", "2.3", "x", "y", "z");
	$var(wrong) = "";
	if (prom_counter_inc("plain", "-1")) $var(wrong) = $var(wrong) + " negative";
	if (prom_counter_inc("plain", "1", "label")) $var(wrong) = $var(wrong) + " label";
	if (prom_counter_inc("labelled", "1")) $var(wrong) = $var(wrong) + " labels";
	if (prom_counter_inc("nosuch", "1")) $var(wrong) = $var(wrong) + " name";
	if (prom_gauge_set("plain", "1")) $var(wrong) = $var(wrong) + " kind";
	xhttp_reply("200", "OK", "text/plain", "wrong:$var(wrong)");
}
request_route {
""" + START + """
	sl_send_reply("200", "OK");
}
"""
SERVER = {"transports": ("udp", "tcp")}
WRONG = ("there is no prom_", "has . labels", "is no number", "prom_", "Cannot get", "Cannot add")


def config(**settings):
    lines = "".join('modparam("xhttp_prom", "%s", %s)\n' % item for item in settings.items())
    return head("jsonrpcs", "xhttp", "xhttp_prom").replace("disable_tcp=yes\n", "") + lines + MAIN


CONFIG = config(xhttp_prom_stats='"sl:"')


def get(server, path="/metrics"):
    web = http.client.HTTPConnection(*server.address, timeout=8)
    try:
        web.request("GET", path)
        answer = web.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()
    finally:
        web.close()


def page(server):
    """The samples of the page, without their times: {name and labels: number}."""
    samples = {}
    for line in get(server)[2].splitlines():
        if line and not line.startswith("#"):
            name, number, time = re.fullmatch(r"(\S+?(?:\{.*\})?) (\S+) (\d{13})", line).groups()
            assert name not in samples
            samples[name] = number
    return samples


def use(server):
    server.allow(*WRONG)
    return get(server, "/use")[2]


def fault(server, *call):
    with pytest.raises(RpcError) as error:
        server.rpc(*call)
    return error.value.args[0]["code"], error.value.args[0]["message"]


@pytest.fixture(scope="module")
def used(server):
    """The pages before and after the script used its metrics."""
    before = get(server), page(server)
    assert use(server) == "wrong:"
    return before, page(server)


def test_metrics_appear_with_their_use(used):
    ((status, kind, text), before), samples = used
    assert status == 200 and kind == "text/plain; version=0.0.4"
    assert text.startswith("# User defined metrics\n")
    assert "# Kamailio statistics for group: sl:\n" in text
    assert not [name for name in before if not name.startswith("kamailio_sl_")]
    assert samples["kamailio_plain"] == "7"
    assert samples['kamailio_labelled{method="push", IP="/use"}'] == "10"
    assert samples['kamailio_level{handler="my handler"}'] == "5.250000"
    assert samples["kamailio_gg"] == "-12.500000"
    assert not [name for name in samples if "never" in name]


def test_histograms_are_cumulative(used):
    samples = used[1]
    bounds = ["0.005000", "0.010000", "0.025000", "0.050000", "0.100000", "0.250000", "0.500000",
              "1.000000", "2.500000", "5.000000", "10.000000", "+Inf"]
    counts = [samples['kamailio_usual_bucket{le="%s"}' % bound] for bound in bounds]
    assert counts == ["0"] * 4 + ["1"] * 2 + ["2"] * 5 + ["3"]
    assert float(samples["kamailio_usual_sum"]) == 70.4 and samples["kamailio_usual_count"] == "3"
    own = 'kamailio_own_%s{a="x", b="y", c="z"%s}'
    assert [samples[own % ("bucket", ', le="%s"' % bound)]
            for bound in ("2.300000", "5.000000", "8.125000", "+Inf")] == ["1"] * 4
    assert samples[own % ("count", "")] == "1"


def test_counters_of_the_server_are_there(server):
    samples = page(server)
    shown = {name[len("kamailio_sl_"):] for name in samples if name.startswith("kamailio_sl_")}
    assert shown == {name.split(".", 1)[1] for name in server.rpc("stats.fetchn", "sl:")}


def test_commands_change_metrics(server, used):
    own = 'kamailio_own_count{a="x", b="y", c="z"}'
    before = int(page(server)[own])
    assert server.rpc("xhttp_prom.counter_reset", "labelled", "push", "/use") == {}
    assert server.rpc("xhttp_prom.counter_inc", "labelled", 3, "push", "/use") == {}
    assert server.rpc("xhttp_prom.gauge_set", "gg", 2.5) == {}
    assert server.rpc("xhttp_prom.gauge_reset", "level", "my handler") == {}
    assert server.rpc("xhttp_prom.histogram_observe", "own", "3", "x", "y", "z") == {}
    samples = page(server)
    assert samples['kamailio_labelled{method="push", IP="/use"}'] == "3"
    assert samples["kamailio_gg"] == "2.500000"
    assert samples['kamailio_level{handler="my handler"}'] == "0.000000"
    assert int(samples[own]) == before + 1
    listed = server.rpc("xhttp_prom.metric_list_print")
    assert listed.startswith("# User defined metrics\n") and "kamailio_sl_" not in listed
    assert 'kamailio_labelled{method="push", IP="/use"} 3 ' in listed


def test_commands_complain(server):
    server.allow(*WRONG)
    assert fault(server, "xhttp_prom.counter_reset") == (400, "required counter identifier")
    assert fault(server, "xhttp_prom.counter_inc", "plain") == (400, "required number argument")
    assert fault(server, "xhttp_prom.counter_reset", "nosuch") == (
        500, "Failed to reset counter: nosuch")
    assert fault(server, "xhttp_prom.counter_reset", "labelled") == (
        500, "Failed to reset counter: labelled")


@pytest.mark.viaduct_only("the peer takes them for 0, or ignores them")
def test_numbers_must_be_such(server, used):
    server.allow(*WRONG)
    assert fault(server, "xhttp_prom.counter_inc", "plain", -5)[0] == 500
    assert fault(server, "xhttp_prom.gauge_set", "gg", "x")[0] == 500
    server.rpc("xhttp_prom.gauge_set", "gg", "2.5")
    server.rpc("xhttp_prom.gauge_inc", "gg", "0.5")
    server.rpc("xhttp_prom.gauge_inc", "gg", "-0.25")
    assert page(server)["kamailio_gg"] == "2.750000"


@pytest.mark.viaduct_only("the peer's page is unreadable then")
def test_labels_are_escaped(server):
    server.rpc("xhttp_prom.counter_inc", "labelled", 1, 'a "b\\c', "line\nend")
    assert page(server)[r'kamailio_labelled{method="a \"b\\c", IP="line\nend"}'] == "1"


@pytest.mark.viaduct_only("the peer shows six digits")
def test_small_numbers_are_exact(server):
    server.rpc("xhttp_prom.gauge_set", "gg", "0.0000001")
    assert float(page(server)["kamailio_gg"]) == 1e-7


@pytest.mark.viaduct_only("the peer compares the whole URL")
def test_query_is_no_part_of_the_path(server):
    assert get(server, "/metrics?target=x")[1] == "text/plain; version=0.0.4"


def test_all_counters(start_server):
    server = start_server(config(xhttp_prom_stats='"all"', xhttp_prom_beginning='"my_"'), **SERVER)
    samples = page(server)
    assert "# Kamailio whole internal statistics\n" in get(server)[2]
    everything = server.rpc("stats.fetchn", "all")
    assert set(samples) == {"my_" + re.sub("[^A-Za-z0-9:]", "_", name) for name in everything}
    # What a processor of the page would refuse is not there.
    assert all(re.fullmatch("[a-zA-Z_:][a-zA-Z0-9_:]*", name) for name in samples)


def test_one_counter(start_server):
    server = start_server(config(xhttp_prom_stats='"200_replies"'), **SERVER)
    assert list(page(server)) == ["kamailio_sl_200_replies"]


@pytest.mark.viaduct_only("later releases of the peer have these settings")
def test_tags_metadata_and_time(start_server):
    server = start_server(config(xhttp_prom_stats='"200_replies"', xhttp_prom_metadata_flags=3,
                                 xhttp_prom_tags='"host=\\"a\\""', timestamp_format='"none"',
                                 xhttp_prom_uptime_stat=1), **SERVER)
    server.rpc("xhttp_prom.counter_inc", "labelled", 1, "a", "b")
    lines = get(server)[2].splitlines()
    assert "# TYPE kamailio_labelled counter" in lines
    assert 'kamailio_labelled{host="a", method="a", IP="b"} 1' in lines
    assert "# TYPE kamailio_sl_200_replies counter" in lines
    assert [line for line in lines if line.startswith("# HELP kamailio_sl_200_replies ")]
    assert [line for line in lines if line.startswith('kamailio_uptime{host="a"} ')]


@pytest.mark.viaduct_only("the peer has other words")
@pytest.mark.parametrize("kind, definition, words", [
    ("counter", "label=x", "has no name"),
    ("counter", "name=plain", "declared before"),
    ("counter", "name=x; label=a:b:c:d", "three labels at most"),
    ("counter", "name=x; label=1a", "a label consists of"),
    ("counter", "name=x y", "a name consists of"),
    ("counter", "name=x; buckets=3", "only histograms have buckets"),
    ("gauge", "name=x; lable=a", "is none of name, label, buckets"),
    ("histogram", "name=x; buckets=5:3", "larger than the one before"),
    ("histogram", "name=x; buckets=a", "buckets are numbers"),
    ("histogram", "name=x; buckets=", "buckets are numbers"),
])
def test_bad_declarations_are_refused(start_server, kind, definition, words):
    with pytest.raises(AssertionError) as error:
        start_server(CONFIG + 'modparam("xhttp_prom", "prom_%s", "%s")\n' % (kind, definition))
    assert words in str(error.value)


@pytest.mark.viaduct_only("the peer answers nothing")
def test_too_large_page_is_told(start_server):
    server = start_server(config(xhttp_prom_stats='"all"', xhttp_prom_buf_size=100), **SERVER)
    assert get(server)[0] == 500
    server.expect_log("larger than xhttp_prom_buf_size allows")
