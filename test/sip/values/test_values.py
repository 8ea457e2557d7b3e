# SPDX-License-Identifier: BSD-2-Clause
"""What expressions, conditions, transformations and variables yield, row by row, as measured on
Debian's kamailio 5.6.3.

Each .txt file here holds rows `text => result`. The kind of the file says what the text is: an
expression to assign, a condition for `if`, a text in which variables are replaced, or statements and
such a text behind ";;". The results come from the peer: VALUES_BLESS=1 pytest test/sip/values
--server kamailio fills in those that are missing (a row that it refuses to load, or dies of, is kept
as `=> REFUSED` and not run). Results are shown with what differs from run to run replaced, and control
characters escaped.
"""
import os
import re
import subprocess

import pytest
from settings import head
from sipua import Agent, Message
from sipua.server import Server, find_program

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = {"operators": "expression", "conditions": "condition", "transformations": "text",
         "variables": "text", "headers": "text", "statements": "statement"}
ROWS_PER_REQUEST = 20
MODULES = ("ctl", "jsonrpcs", "counters")
BLESS = os.environ.get("VALUES_BLESS")

PREPARE = """
	$var(n) = 42;
	$var(neg) = -7;
	$var(s) = "some text";
	$var(list) = "12,34,56";
	$var(uri) = "sip:bob:secret@example.com:5070;transport=tcp;user=phone;lr;x=y?Subject=hi&a=b";
	$var(params) = "a=1;b=\\"two\\";c;d=xy";
	$var(name) = "\\"Bob \\\\\\"B\\\\\\" Jones\\" <sip:bob@example.com;lr>;tag=abc;q=0.5";
	$var(lines) = "first\\r\\nsecond: x\\r\\nthird";
	$var(spaces) = "  \\t padded text \\t ";
	$var(html) = "a<b>&c=d e%41+ü";
	$var(path) = "/one/two/three.txt";
	$var(csv) = "a,,c,d";
	$var(hex) = "48656c6c6f";
	$var(b64) = "SGVsbG8sIFdvcmxk";
	$var(num) = "0123456789abc";
	$var(empty) = "";
	$var(marks) = "a{b}c\\\\d(e)f";
	$vn(s) = "vn text";
	$avp(s:list) = "oldest";
	$avp(s:list) = "middle";
	$avp(s:list) = "newest";
	$avp(one) = 1;
	$avp(i:7) = "seven";
	$xavp(x=>a) = "xavp a";
	$xavp(x[0]=>b) = 12;
	$xavp(x=>a) = "second root";
	setflag(3);
	setbflag(2);
"""


def parse(path):
    """[(line number, text, result or None)]; other lines are kept by the blessing."""
    rows = []
    with open(path) as lines:
        for number, line in enumerate(lines):
            if line.strip() and not line.startswith("# "):
                text, arrow, result = line.rstrip("\n").partition(" => ")
                rows.append((number, text.strip(), result.strip() if arrow else None))
    return rows


def statement(kind, number, text):
    if kind == "expression":
        return '\t\t$avp(r%d) = %s;\n\t\tappend_to_reply("X-%d: $(avp(r%d){s.encode.hexa})\\r\\n");\n' \
            % (number, text, number, number)
    if kind == "condition":
        return ('\t\tif (%s) { append_to_reply("X-%d: 74727565\\r\\n"); }'
                ' else { append_to_reply("X-%d: 66616c7365\\r\\n"); }\n' % (text, number, number))
    before = ""
    if kind == "statement":
        before, _, text = text.partition(";;")
        before = "\t\t%s\n" % before.strip()
    quoted = text.strip().replace("\\", "\\\\").replace('"', '\\"')
    return (before + '\t\tpv_printf("$avp(r%d)", "%s");\n'
            '\t\tappend_to_reply("X-%d: $(avp(r%d){s.encode.hexa})\\r\\n");\n'
            % (number, quoted, number, number))


def configuration(kind, rows):
    """One branch of the route per ROWS_PER_REQUEST rows."""
    blocks = []
    for first in range(0, len(rows), ROWS_PER_REQUEST):
        body = "".join(statement(kind, first + i, text) for i, (_, text, _) in
                       enumerate(rows[first:first + ROWS_PER_REQUEST]))
        blocks.append('\tif ($hdr(X-Chunk) == "c%d") {\n%s\t}\n' % (first // ROWS_PER_REQUEST, body))
    return (head(*MODULES) + "request_route {\n" + PREPARE + "".join(blocks)
            + '\tsl_send_reply("200", "Done");\n}\n')


def question(agent, chunk):
    """The message that the variables are read from."""
    request = agent.request("INVITE", "sip:+123%2a;phone-context=x@example.com:5099;transport=udp;a",
                            to='"To Name" <sip:callee@example.net;user=phone>',
                            from_='From Name <sip:caller:pw@example.org:5066;tag=no>;tag=from-1',
                            call_id="call-values-%s" % agent.address[1], cseq=4711)
    request.headers[5:5] = [
        ["X-Chunk", "c%d" % chunk], ["User-Agent", "values/1.0 (test)"],
        ["Contact", '"C" <sip:caller@192.0.2.8:5068;ob>;expires=77;q=0.3;+sip.instance="<urn:x>"'],
        ["Contact", "<sip:other@192.0.2.9>"],
        ["Route", "<sip:192.0.2.10;lr>"], ["Route", "<sip:192.0.2.11;lr>"],
        ["Record-Route", "<sip:192.0.2.12;lr;ftag=1>,<sip:192.0.2.13;lr>"],
        ["X-Multi", "one"], ["X-Multi", "two"], ["X-Multi", "three, four"],
        ["P-Asserted-Identity", '"PAI" <sip:pai@example.com>'],
        ["P-Preferred-Identity", "<sip:ppi@example.com>"],
        ["Remote-Party-ID", '"RPID" <sip:rpid@example.com>;party=calling'],
        ["Refer-To", "<sip:refer@example.com?Replaces=1>"],
        ["Diversion", "<sip:div@example.com>;reason=user-busy;privacy=full;counter=2"],
        ["Subject", "  hello   world  "], ["Supported", "100rel, timer"], ["Expires", "120"],
        ["Authorization", 'Digest username="auth@example.com", realm="r.example", nonce="n",'
                          ' uri="sip:x@y", response="0123", algorithm=MD5, qop=auth, nc=00000001,'
                          ' cnonce="c", opaque="o"'],
    ]
    request.headers.insert(1, ["Via", "SIP/2.0/TCP 192.0.2.20:5077;branch=z9hG4bKsecond;alias"])
    request.headers.insert(2, ["Via", "SIP/2.0/UDP host.example;branch=z9hG4bKthird"])
    body = "v=0\r\no=x 1 2 IN IP4 192.0.2.1\r\ns=-\r\n"
    request.headers[-1:] = [["Content-Type", "application/sdp"], ["Content-Length", str(len(body))]]
    request.body = body.encode()
    # The first Via and identifiers are the same in every run, except for the port.
    request.headers[0][1] = "SIP/2.0/UDP %s;rport;branch=z9hG4bKfirst" % agent.host_port
    return request


def ask(server, agent, count):
    """{row index: result text} from one server."""
    found = {}
    agent.auto_ack = False
    for chunk in range((count + ROWS_PER_REQUEST - 1) // ROWS_PER_REQUEST):
        agent.socket.sendto(question(agent, chunk).encode(), server.address)
        reply = Message.parse(agent.socket.recv(65535))
        for name, value in reply.headers:
            if re.match(r"X-\d+$", name):
                found[int(name[2:])] = show(value, server, agent)
    return found


def show(value, server, agent):
    """Readable text of a hexadecimal value, without what differs from run to run."""
    try:
        raw = bytes.fromhex(value).decode("utf-8", "backslashreplace")
    except ValueError:
        return "?" + value
    raw = raw.replace(server.host_port, "SERVER").replace(agent.host_port, "AGENT")
    raw = raw.replace(server.address[0], "SERVER-IP")
    for port, name in ((server.address[1], "SERVER-PORT"), (agent.address[1], "AGENT-PORT")):
        raw = re.sub(r"(?<!\d)%d(?!\d)" % port, name, raw)
    raw = raw.encode("unicode_escape").decode()
    return "''" if raw == "" else raw.replace(" ", "\u2423") if raw != raw.strip() else raw


@pytest.mark.parametrize("name", FILES)
def test_values(name, program, start_server, agent):
    path = os.path.join(HERE, name + ".txt")
    if BLESS:
        bless(path, FILES[name], program)
    rows = [row for row in parse(path) if row[2] != "REFUSED"]
    server = start_server(configuration(FILES[name], rows))
    server.allow(".*")
    client = agent("values", server=server)
    client.socket.settimeout(5)
    found = ask(server, client, len(rows))
    wrong = ["%-50s => %s   (expected %s)" % (text, found.get(i), result)
             for i, (_, text, result) in enumerate(rows) if found.get(i) != result]
    if wrong:
        pytest.fail("%d of %d values differ:\n%s" % (len(wrong), len(rows), "\n".join(wrong)),
                    pytrace=False)


# ---- blessing: only against the peer ----
def try_row(kind, text, program):
    """Result of one row in a server of its own; REFUSED when it does not load or answer."""
    binary, modules = find_program(program)
    config = configuration(kind, [(0, text, None)])
    checked = subprocess.run([binary, "-c", "-L", modules, "-f", "/dev/stdin"], input=config,
                             text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if checked.returncode != 0:
        return "REFUSED"
    try:
        server = Server(config, program)
    except AssertionError:
        return "REFUSED"
    client = Agent("values", server=server.address)
    client.socket.settimeout(1)
    try:
        return ask(server, client, 1).get(0, "REFUSED")
    except TimeoutError:
        return "REFUSED"
    finally:
        client.close()
        server.discard()


def bless(path, kind, program):
    with open(path) as lines:
        content = lines.read().split("\n")
    for number, text, result in parse(path):
        if result is None:
            content[number] = "%s => %s" % (text, try_row(kind, text, program))
    with open(path, "w") as out:
        out.write("\n".join(content))
