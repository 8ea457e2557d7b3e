# SPDX-License-Identifier: BSD-2-Clause
"""Module corex: destinations, raw sending, sockets, flags, files, our Via."""
import os

import pytest
from settings import START
from sipua.server import RpcError, free_address

SECOND = free_address()
CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
children=1
auto_aliases=no
disable_tcp=yes
server_id=77
xavp_via_params="xvia"
xavp_via_fields="mvia"
listen=udp:%s:%d advertise 192.0.2.9:5099 name "second"
alias="udp:example.org:5061"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "xlog.so"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "ctl.so"
loadmodule "jsonrpcs.so"
modparam("corex", "alias_subdomains", "sub.example.org")
modparam("corex", "dns_cache", "type=A;name=own.test;addr=127.0.0.1;ttl=60;flags=2")
modparam("corex", "dns_cache", "type=SRV;name=_sip._udp.srv.test;addr=own.test;ttl=60;port=5070;priority=1;weight=2")

failure_route[LATER] {
	if (isxflagset("63")) t_reply("480", "Flag Kept");
}

request_route {
""" % SECOND + START + """
	$var(r) = "";
	$var(s) = "udp:%s:%d";
	$var(h) = $hdr(X-Value);
	switch ($hdr(X-Case)) {
	case "branches":
		append_branch();
		append_branch("sip:b@192.0.2.1", "0.5");
		$var(r) = "" + $branch(count) + $(branch(q)[1]) + $(branch(uri)[1]);
		if (append_branch("sip:b@192.0.2.1", "abc")) $var(r) = $var(r) + "!";
		break;
	case "xflags":
		setxflag("63");
		$var(n) = 40;
		setxflag("$var(n)");
		if (isxflagset("63")) $var(r) = $var(r) + "a";
		if (isxflagset("40")) $var(r) = $var(r) + "b";
		if (isxflagset("0")) $var(r) = $var(r) + "c";
		resetxflag("63");
		if (!isxflagset("63")) $var(r) = $var(r) + "d";
		break;
	case "iflags":
		msg_iflag_set("UAC_AUTH");
		if (msg_iflag_is_set("UAC_AUTH")) $var(r) = $var(r) + "a";
		if (msg_iflag_is_set("USE_UAC_TO")) $var(r) = $var(r) + "b";
		msg_iflag_reset("UAC_AUTH");
		if (!msg_iflag_is_set("UAC_AUTH")) $var(r) = $var(r) + "c";
		break;
	case "names":
		if (is_socket_name("second")) $var(r) = $var(r) + "a";
		if (is_socket_name("none")) $var(r) = $var(r) + "b";
		if (is_myself("sip:a.sub.example.org")) $var(r) = $var(r) + "c";
		if (is_myself("sip:sub.example.org")) $var(r) = $var(r) + "d";
		if (is_myself("sip:xsub.example.org")) $var(r) = $var(r) + "e";
		if (!is_faked_msg()) $var(r) = $var(r) + "f";
		break;
	case "lsock":
		$var(r) = $lsock(n/second/listen) + " " + $lsock(n/second/advertise) + " " + $lsock(l/$var(s)/name);
		if ($lsock(n/none/listen) == $null) $var(r) = $var(r) + " null";
		break;
	case "source":
		set_source_address("udp:192.0.2.7:99");
		$var(r) = $si + " " + $sp + " " + $proto;
		set_source_address("udp:$hdr(X-Value)");
		break;
	case "receive":
		set_recv_socket("$var(s)");
		$var(r) = "" + $Rp;
		set_recv_socket_name("second");
		$var(r) = $var(r) + " " + $Rn;
		break;
	case "files":
		if (file_write("$hdr(X-Value)", "wrote $rm")) $var(r) = $var(r) + "a";
		if (file_read("$hdr(X-Value)", "$var(f)")) $var(r) = $var(r) + "b " + $var(f);
		if (!file_read("/nonexistent/file", "$var(f)")) $var(r) = $var(r) + " c";
		break;
	case "udp":
		if (send_udp("$var(h)")) $var(r) = "a";
		break;
	case "data":
		if (send_data("sip:$var(h)", "data for $rU")) $var(r) = "a";
		break;
	case "sendx":
		if (sendx("sip:$var(h)", "$var(s)", "more for $rU")) $var(r) = "a";
		break;
	case "socket":
		set_send_socket_name("second");
		$ru = "sip:x@" + $var(h);
		forward();
		set_send_socket("$var(s)");
		$var(r) = $fs;
		break;
	case "name":
		$ru = "sip:x@" + $var(h);
		forward();
		exit;
	case "srvid":
		via_add_srvid("1");
		$ru = "sip:x@" + $var(h);
		forward();
		exit;
	case "via":
		$xavp(xvia=>name) = "value";
		via_add_xavp_params("1");
		$xavp(mvia=>address) = "192.0.2.200";
		$xavp(mvia[0]=>port) = "5070";
		via_use_xavp_fields("1");
		$ru = "sip:x@" + $var(h);
		forward();
		exit;
	case "uac":
		$ru = "sip:x@" + $var(h);
#!ifdef VIADUCT
		forward_uac();
#!endif
		$var(r) = "sent";
		break;
	case "kept":
		setxflag("63");
		t_on_failure("LATER");
		$ru = "sip:x@" + $var(h);
		t_relay();
		exit;
	}
	append_to_reply("X-Result: $var(r)\\r\\n");
	sl_send_reply("200", "Done");
}

reply_route {
	if (is_faked_msg()) xlog("L_ERR", "a reply is no faked message\\n");
}
""" % SECOND
ALLOWED = ["Malformed ip", "cannot open", "no q value", "cannot parse the Q parameter", "load_tm", "file_read"]


def send(agent, case, value="-", method="OPTIONS"):
    alice = agent("alice")
    request = alice.request(method, "sip:x@" + alice.domain)
    request.headers[-1:-1] = [["X-Case", case], ["X-Value", value]]
    alice.send(request)
    return alice, request


def ask(agent, case, value="-"):
    alice, request = send(agent, case, value)
    return alice.expect_reply(200, request)["X-Result"]


CASES = {
    "branches": "2500sip:b@192.0.2.1",
    "xflags": "abd",
    "iflags": "ac",
    "names": "acdf",
    "lsock": "udp:%s:%d udp:192.0.2.9:5099 second null" % SECOND,
    "receive": "%d second" % SECOND[1],
}


@pytest.mark.parametrize("case", CASES)
def test_function(server, agent, case):
    assert ask(agent, case) == CASES[case]


def test_source_address_decides_where_replies_go(server, agent):
    bob = agent("bob")
    send(agent, "source", bob.host_port)
    assert bob.expect_reply(200)["X-Result"] == "192.0.2.7 99 udp"


def test_files(server, agent, tmp_path):
    path = os.path.join(str(tmp_path), "text")
    assert ask(agent, "files", path) == "ab wrote OPTIONS c"
    with open(path) as file:
        assert file.read() == "wrote OPTIONS"


def test_message_is_sent_as_received(server, agent):
    bob = agent("bob")
    alice, request = send(agent, "udp", bob.host_port)
    assert alice.expect_reply(200, request)["X-Result"] == "a"
    assert bob.expect_request("OPTIONS").encode() == request.encode()


def raw(agent):
    """A bare socket: what comes is no SIP."""
    bob = agent("bob")
    bob.socket.settimeout(8)
    return bob


def test_data_is_sent(server, agent):
    bob = raw(agent)
    assert ask(agent, "data", bob.host_port) == "a"
    data, source = bob.socket.recvfrom(1000)
    assert (data, source) == (b"data for x", server.address)


def test_data_is_sent_from_a_socket(server, agent):
    bob = raw(agent)
    assert ask(agent, "sendx", bob.host_port) == "a"
    data, source = bob.socket.recvfrom(1000)
    assert (data, source) == (b"more for x", SECOND)


def test_send_socket(server, agent):
    bob = raw(agent)
    assert ask(agent, "socket", bob.host_port) == "udp:%s:%d" % SECOND
    data, source = bob.socket.recvfrom(2000)
    assert source == SECOND and b"Via: SIP/2.0/UDP 192.0.2.9:5099;" in data


def test_server_id_in_our_via(server, agent):
    bob = agent("bob")
    send(agent, "srvid", bob.host_port)
    assert bob.expect_request("OPTIONS").via[0].endswith(";srvid=77")


@pytest.mark.viaduct_only("the peer adds the fields as parameters")
def test_xavps_in_our_via(server, agent):
    bob = agent("bob")
    send(agent, "via", bob.host_port)
    via = bob.expect_request("OPTIONS").via[0]
    assert via.startswith("SIP/2.0/UDP 192.0.2.200:5070;branch=") and via.endswith(";name=value")


@pytest.mark.viaduct_only("the peer of this age has no such function")
def test_forwarding_with_our_via_alone(server, agent):
    bob = agent("bob")
    alice, request = send(agent, "uac", bob.host_port)
    assert alice.expect_reply(200, request)["X-Result"] == "sent"
    assert len(bob.expect_request("OPTIONS").values("Via")) == 1


def test_extended_flags_survive_in_the_transaction(server, agent):
    bob = agent("bob")
    alice, request = send(agent, "kept", bob.host_port, method="MESSAGE")
    bob.reply(bob.expect_request("MESSAGE"), 500)
    assert alice.expect_reply(480, request).reason == "Flag Kept"


# ---- names ----

def view(server):
    return {(row["name"], row["type"]): row for row in server.rpc("dns.view")}


def test_names_of_the_configuration(server, agent):
    bob = agent("bob")
    send(agent, "name", "own.test:%d" % bob.address[1])
    bob.expect_request("OPTIONS")
    row, = view(server)["own.test", "A"]["records"]
    assert row == {"rr_idx": 0, "rr_ip": "127.0.0.1", "rr_permanent": "yes", "rr_expires": 0}
    row = view(server)["_sip._udp.srv.test", "SRV"]
    assert {key: row[key] for key in ("reference_counter", "permanent", "negative_entry")} == {
        "reference_counter": 1, "permanent": "no", "negative_entry": "no"}
    record, = row["records"]
    assert 0 < record.pop("rr_expires") <= 60
    assert record == {"rr_idx": 0, "rr_name": "own.test", "rr_port": 5070, "rr_priority": 1, "rr_weight": 2,
                      "rr_permanent": "no"}


def fault(server, *command):
    with pytest.raises(RpcError) as error:
        server.rpc(*command)
    return error.value.args[0]["message"]


def test_names_by_command(server, agent):
    bob = agent("bob")
    for address in ("127.0.0.1", "127.0.0.2"):
        assert not server.rpc("dns.add_a", "said.test", 60, address, 0)
    send(agent, "name", "said.test:%d" % bob.address[1])
    bob.expect_request("OPTIONS")
    row = server.rpc("dns.lookup", "A", "said.test")
    assert [record["rr_ip"] for record in row["records"]] == ["127.0.0.1", "127.0.0.2"]
    assert not server.rpc("dns.delete_a", "said.test")
    assert fault(server, "dns.delete_a", "said.test") == "Not found"
    assert fault(server, "dns.delete_a", "own.test") == "Permanent entries cannot be deleted"
    assert fault(server, "dns.add_a", "said.test", 60, "nonsense", 0) == "Failed to add the entry to the cache"
    assert not server.rpc("dns.add_a", "none.test", 60, "127.0.0.1", 1)
    assert view(server)["none.test", "A"]["negative_entry"] == "yes"
    assert fault(server, "dns.lookup", "A", "none.test") == "Not found"


def test_sockets_and_aliases_are_listed(server):
    sockets = {s["SOCKNAME"]: s for s in server.rpc("corex.list_sockets")}
    assert len(sockets) == 2 and sockets["-"]["PORT"] == str(server.address[1])
    assert sockets["second"] == {
        "PROTO": "udp", "NAME": SECOND[0], "ADDRLIST": {"ADDR": SECOND[0]}, "PORT": str(SECOND[1]),
        "MCAST": "no", "MHOMED": "no", "VIRTUAL": "no", "SOCKNAME": "second", "ADVERTISE": "192.0.2.9"}
    aliases = server.rpc("corex.list_aliases")
    aliases = aliases if isinstance(aliases, list) else [aliases]
    assert [list(a) for a in aliases] == [["PROTO", "ADDR", "PORT"]]


def test_log_level(server):
    assert server.rpc("corex.debug") == {"debug": 2}
    assert server.rpc("corex.debug", 1) == {"old": 2, "new": 1}
    assert server.rpc("corex.debug", 2) == {"old": 1, "new": 2}


def test_shared_memory(server):
    stats = server.rpc("shm.stats")
    assert list(stats) == ["total", "free", "used", "real_used", "max_used", "fragments"]
    assert stats["total"] >= stats["real_used"] >= stats["used"] > 0
    assert server.rpc("shm.info")["size"] == stats["total"]
    server.rpc("corex.shm_status")
    server.rpc("corex.shm_summary")
    server.rpc("corex.pkg_summary", "idx", 0)
    with pytest.raises(RpcError):
        server.rpc("corex.pkg_summary")
