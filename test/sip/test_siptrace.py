# SPDX-License-Identifier: BSD-2-Clause
"""Module siptrace: copies in the table, for Homer, for another server. The packets are the peer's."""
import socket
import struct

import pytest
from settings import START, head
from sipua import Message
from sipua.agent import is_readable
from sipua.server import RpcError
from tables import Sqlite, wait_for

FAMILY, PROTOCOL, IP4_FROM, IP4_TO, PORT_FROM, PORT_TO, SECONDS, MICROSECONDS, KIND, CAPTURE_ID, KEY, PAYLOAD, \
    CORRELATION = 1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 14, 15, 17
ROUTE = """
request_route {
""" + START + """
	if ($rU == "message") sip_trace();
	if ($rU == "elsewhere") sip_trace("sip:COLLECTOR", "corr-$rm", "m");
	if ($rU == "transaction") sip_trace("", "", "t");
	if ($rU == "dialog") sip_trace_mode("d");
	if ($rU == "flag") { setflag(22); sip_trace(); }
	if ($rU == "users") { $avp(u) = "joe"; $avp(u) = "ann"; sip_trace(); }
	if ($rU == "log") { hlog("hello $rm"); hlog("cor", "again"); }
	if (has_totag()) {
		if (!loose_route()) $du = $var(none);
		t_relay();
		exit;
	}
	if (is_method("INVITE")) {
		record_route();
		t_relay();
		exit;
	}
	t_newtran();
	t_reply("200", "Fine");
}
event_route[siptrace:msg] {
	if (is_method("OPTIONS")) drop;
}
"""
ALLOWED = ["siptrace", "db_sqlite", "non existing right pvar", "assignment failed", "sr_event_route"]


class Collector:
    """Where packets arrive: SIP, or Homer's in any version."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.host_port = "127.0.0.1:%d" % self.socket.getsockname()[1]

    def raw(self, timeout=5):
        assert is_readable(self.socket, timeout), "no packet came"
        return self.socket.recv(65535)

    def packet(self, timeout=5):
        return chunks(self.raw(timeout))

    def packets(self, count):
        return [self.packet() for _ in range(count)]

    def is_quiet(self, timeout=0.2):
        return not is_readable(self.socket, timeout)

    def empty(self):
        while is_readable(self.socket, 0):
            self.socket.recv(65535)


def chunks(raw):
    """HEP 3 as {type: value}."""
    assert raw[:4] == b"HEP3" and struct.unpack("!H", raw[4:6])[0] == len(raw)
    found, at = {}, 6
    while at < len(raw):
        vendor, kind, length = struct.unpack("!HHH", raw[at:at + 6])
        assert vendor == 0 and length >= 6
        found[kind] = raw[at + 6:at + length]
        at += length
    return found


@pytest.fixture(scope="module")
def collector():
    collector = Collector()
    yield collector
    collector.socket.close()


def config(collector, **settings):
    values = {"trace_on": 1, "trace_flag": 22, "trace_to_database": 0, "traced_user_avp": '"$avp(u)"',
              "duplicate_uri": '"sip:%s"' % collector.host_port, **settings}
    return head("db_sqlite", "siptrace", "jsonrpcs", "ctl", "dialog", jsonrpcs__transport=4,
                **{"siptrace__" + name: value for name, value in values.items()}) + \
        ROUTE.replace("COLLECTOR", collector.host_port)


@pytest.fixture(scope="module")
def server(launch, collector):
    return launch(config(collector, hep_mode_on=1, hep_version=3, hep_capture_id=7, auth_key='"secret key"'))


@pytest.fixture
def alice(agent, server, collector):
    collector.empty()
    return agent("alice", server=server)


def ask(alice, user, method="OPTIONS"):
    request = alice.send(alice.request(method, "sip:%s@%s" % (user, alice.domain)))
    return request, alice.expect_reply(200, request)


def test_a_packet_for_homer(alice, server, collector):
    request, _ = ask(alice, "message")
    packet = collector.packet()
    assert packet[PAYLOAD] == request.encode()
    assert (packet[FAMILY], packet[PROTOCOL], packet[KIND]) == (b"\2", b"\x11", b"\1")
    assert packet[IP4_FROM] == socket.inet_aton("127.0.0.1")
    assert packet[IP4_TO] == socket.inet_aton(server.address[0])
    assert struct.unpack("!HH", packet[PORT_FROM] + packet[PORT_TO]) == (alice.address[1], server.address[1])
    assert (packet[CAPTURE_ID], packet[KEY]) == (b"\0\0\0\7", b"secret key")
    assert len(packet[SECONDS]) == len(packet[MICROSECONDS]) == 4 and CORRELATION not in packet
    assert collector.is_quiet()


def test_a_correlation_and_another_receiver(alice, collector):
    ask(alice, "elsewhere")
    assert collector.packet()[CORRELATION] == b"corr-OPTIONS"


def test_a_line_for_the_log_of_homer(alice, collector):
    request, _ = ask(alice, "log")
    first, second = collector.packets(2)
    assert (first[KIND], first[PAYLOAD], first[CORRELATION]) == (b"\x64", b"hello OPTIONS", request["Call-ID"].encode())
    assert (second[PAYLOAD], second[CORRELATION]) == (b"again", b"cor")


def directions(packets, server):
    own = socket.inet_aton(server.address[0])
    return [(packet[PAYLOAD].split(b"\r\n")[0].split(b" sip:")[0].decode(), packet[IP4_FROM] == own and packet[IP4_TO] != own)
            for packet in packets]


@pytest.mark.parametrize("user", ["transaction", "flag"])
def test_a_transaction_is_traced_to_its_end(agent, alice, server, collector, user):
    bob = agent("bob", server=server)
    invite = alice.invite("sip:%s@%s" % (user, bob.host_port))
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    bob.reply(incoming, 200)
    alice.expect_reply(200, invite)
    seen = directions(collector.packets(7), server)
    assert seen[0] == ("INVITE", False)
    assert sorted(seen[1:]) == sorted([("SIP/2.0 100 trying -- your call is important to us", True), ("INVITE", True),
                                       ("SIP/2.0 180 Ringing", False), ("SIP/2.0 180 Ringing", True),
                                       ("SIP/2.0 200 OK", False), ("SIP/2.0 200 OK", True)])
    ask(alice, "nothing")
    assert collector.is_quiet()


def test_tracing_is_switched_by_command(alice, server, collector):
    assert server.rpc("siptrace.status", "check") == "Enabled"
    assert server.rpc("siptrace.status", "off") == "Disabled"
    ask(alice, "message")
    assert collector.is_quiet()
    assert server.rpc("siptrace.status", "on") == "Enabled"
    for args, message in (((), "Not enough parameters (on, off or check)"), (("x",), "Bad parameter (on, off or check)")):
        with pytest.raises(RpcError) as error:
            server.rpc("siptrace.status", *args)
        assert error.value.args[0]["message"] == message


@pytest.mark.parametrize("version,start", [(1, b"\x01\x10\x02\x11"), (2, b"\x02\x10\x02\x11")])
def test_older_versions(start_server, agent, collector, version, start):
    server = start_server(config(collector, hep_mode_on=1, hep_version=version, hep_capture_id=7))
    collector.empty()
    alice = agent("alice", server=server)
    request, _ = ask(alice, "message")
    raw = collector.raw()
    assert raw.startswith(start) and raw.endswith(request.encode())
    assert struct.unpack("!HH", raw[4:8]) == (alice.address[1], server.address[1])
    assert raw[8:16] == socket.inet_aton("127.0.0.1") + socket.inet_aton(server.address[0])
    assert len(raw) == len(request.encode()) + (16 if version == 1 else 28)
    assert version == 1 or struct.unpack("=H", raw[24:26]) == (7,)


def test_plain_copies_for_another_server(start_server, agent, collector):
    server = start_server(config(collector))
    collector.empty()
    request, _ = ask(agent("alice", server=server), "message")
    assert collector.raw() == request.encode()


def lines_of(packet):
    """What the X-Siptrace headers of a copy say, and the copy without them."""
    lines = packet.split(b"\r\n")
    said = dict(l.decode().split(": ", 1) for l in lines if l.startswith(b"X-Siptrace-"))
    return said, b"\r\n".join(l for l in lines if not l.startswith(b"X-Siptrace-"))


def test_copies_say_where_they_come_from_when_wished(start_server, agent, collector):
    server = start_server(config(collector, xheaders_write=1))
    collector.empty()
    alice = agent("alice", server=server)
    request, _ = ask(alice, "message", "MESSAGE")
    said, rest = lines_of(collector.raw())
    assert rest == request.encode()
    assert said.pop("X-Siptrace-Time").replace(" ", "").isdigit()
    assert said == {"X-Siptrace-Fromip": "udp:" + alice.host_port, "X-Siptrace-Toip": "udp:" + server.host_port,
                    "X-Siptrace-Method": "MESSAGE", "X-Siptrace-Dir": "in"}


COPY = [("X-Siptrace-Fromip", "udp:1.2.3.4:5060"), ("X-Siptrace-Toip", "udp:5.6.7.8:5061"),
        ("X-Siptrace-Time", "1700000000 123"), ("X-Siptrace-Method", "MESSAGE"), ("X-Siptrace-Dir", "out")]


@pytest.mark.viaduct_only("the peer spoils messages that have only some of the headers")
def test_what_a_copy_says_is_passed_on(start_server, agent, collector):
    server = start_server(config(collector, xheaders_write=1, xheaders_read=1))
    server.allow("message without x-headers")
    collector.empty()
    alice = agent("alice", server=server)
    for headers in (COPY[:2], [], COPY[:4]):  # nothing, or not enough
        alice.expect_reply(200, alice.send(alice.request("MESSAGE", server.uri("message"), headers=headers)))
    alice.expect_reply(200, alice.send(alice.request("MESSAGE", server.uri("message"), headers=COPY)))
    said, _ = lines_of(collector.raw())
    assert said == dict(COPY)
    assert collector.is_quiet()


@pytest.mark.viaduct_only("the peer's file database takes no rows of it")
def test_what_a_copy_says_is_in_the_table(start_server, agent, collector, tmp_path):
    table = Sqlite(str(tmp_path), "siptrace")
    server = start_server(config(collector, xheaders_read=1, trace_db_mode=2, trace_to_database=1,
                                 db_url='"%s"' % table.url))
    alice = agent("alice", server=server)
    alice.expect_reply(200, alice.send(alice.request("MESSAGE", server.uri("message"), headers=COPY)))
    wait_for(lambda: len(table.sql("SELECT id FROM sip_trace")) == 1, server.log)
    row = table.sql("SELECT fromip, toip, direction, time_us, msg FROM sip_trace")[0]
    assert [str(v) for v in row[:4]] == ["udp:1.2.3.4:5060", "udp:5.6.7.8:5061", "out", "123"]
    assert "X-Siptrace" not in row[4]


@pytest.mark.viaduct_only("the peer traces them to its table only")
@pytest.mark.parametrize("is_on", [0, 1])
def test_acks_to_stateless_answers_are_traced_when_wished(start_server, agent, collector, is_on):
    server = start_server(config(collector, trace_sl_acks=is_on).replace(
        "t_newtran();", 'if ($rU == "stateless") { sl_send_reply("404", "No"); exit; } t_newtran();')
        .replace('if (is_method("INVITE")) {', 'if (is_method("INVITE") && $rU != "stateless") {'))
    collector.empty()
    alice = agent("alice", server=server)
    alice.expect_reply(404, alice.send(alice.request("INVITE", server.uri("stateless"))))
    ask(alice, "message", "MESSAGE")
    packets = [collector.raw()[:4] for _ in range(1 + is_on)]
    assert packets == ([b"ACK "] if is_on else []) + [b"MESS"] and collector.is_quiet()


def test_all_traffic_but_what_the_route_drops(start_server, agent, collector):
    server = start_server(config(collector, hep_mode_on=1, hep_version=3, trace_mode=1))
    collector.empty()
    alice = agent("alice", server=server)
    ask(alice, "anything")
    request, reply = ask(alice, "anything", "MESSAGE")
    first, second = collector.packets(2)
    assert first[PAYLOAD] == request.encode() and second[PAYLOAD].startswith(b"SIP/2.0 200 Fine")
    assert directions([second], server)[0][1]
    assert collector.is_quiet()


@pytest.mark.viaduct_only("the peer's rows need To tags, and what it stores is fewer")
def test_rows_in_the_table(start_server, agent, collector, tmp_path):
    table = Sqlite(str(tmp_path), "siptrace")
    server = start_server(config(collector, trace_to_database=1, db_url='"%s"' % table.url, hep_mode_on=1))
    alice, bob = agent("alice", server=server), agent("bob", server=server)

    def rows(count):
        query = "SELECT method, status, direction, fromip, toip, totag, traced_user, msg, callid FROM sip_trace ORDER BY id"
        wait_for(lambda: len(table.sql(query)) == count, lambda: str(table.sql(query)))
        return table.sql(query)
    request, _ = ask(alice, "message")
    row = rows(1)[0]
    assert row[:7] == ["OPTIONS", "", "in", "udp:" + alice.host_port, "udp:" + server.host_port, "", ""]
    assert (row[7], row[8]) == (request.encode().decode(), request["Call-ID"])
    ask(alice, "users")
    assert sorted(row[6] for row in rows(3)[1:]) == ["ann", "joe"]
    table.sql("DELETE FROM sip_trace")
    invite = alice.invite("sip:dialog@" + bob.host_port)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 200)
    ok = alice.expect_reply(200, invite)
    bye = Message.parse(alice.request("BYE", "sip:bob@" + bob.host_port, to=ok["To"], from_=invite["From"],
                                      call_id=invite["Call-ID"], cseq=2,
                                      headers=[("Route", value) for value in ok.all("Record-Route")]).encode(), None)
    alice.send(bye)
    bob.reply(bob.expect_request("BYE"), 200)
    alice.expect_reply(200, bye)
    seen = [tuple(row[:3]) for row in rows(9)]
    assert sorted(seen) == sorted([("INVITE", "", "in"), ("INVITE", "100", "out"), ("INVITE", "", "out"), ("INVITE", "200", "in"),
                                   ("INVITE", "200", "out"), ("BYE", "", "in"), ("BYE", "", "out"), ("BYE", "200", "in"),
                                   ("BYE", "200", "out")])
