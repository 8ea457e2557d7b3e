# SPDX-License-Identifier: BSD-2-Clause
"""What the functions of the text and message modules return and do, row by row, as measured on
Debian's kamailio 5.6.3.

Each .txt file is named after a module. A row is a statement; the indented lines below it are what
came of it: "=> $rc", then $var(x) and $ru when they changed, then the difference to the request that
is forwarded without the statement. Lines that begin with "@" describe the request of the rows that
follow: "@ uri URI", "@ method METHOD", "@ to VALUE", "@ body NAME" (see BODIES), "@ Name: value" for
a header ("Max-Forwards: none" for none; SERVER is our address), "@ plain" for no change; each
group of them begins anew. A row after a line "! why" is ours
alone: the peer does something else there, and why ours is better is said.

FUNCTIONS_BLESS=1 pytest test/sip/functions --server kamailio fills in the rows that have no result.
"""
import difflib
import os
import re

import pytest
from settings import START
from sipua import Agent

MODULES = "kex tm sl rr pv maxfwd textops textopsx siputils xlog sanity acc htable path nathelper cfgutils ipops sdpops".split()
HERE = os.path.dirname(os.path.abspath(__file__))
FILES = sorted(name[:-4] for name in os.listdir(HERE) if name.endswith(".txt"))
BLESS = os.environ.get("FUNCTIONS_BLESS")
SETTINGS = [("htable", "htable", "%s=>size=%s" % table) for table in (
    ("t", "4"), ("u", "2;initval=7"), ("e", "3;autoexpire=100"),
    ("keep", "3;autoexpire=100;updateexpire=0;"))] + [
        ("nathelper", "received_avp", "$avp(received)"), ("cfgutils", "lock_set_size", 6),
        ("cfgutils", "initial_gflags", 5)]
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.4\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\n" \
    "m=audio 4000 RTP/AVP 0\r\na=foo\r\na=bar\r\n"
BODIES = {
    "sdp": ("application/sdp", SDP),
    "hold-address": ("application/sdp", SDP.replace("192.0.2.4", "0.0.0.0")),
    "hold-direction": ("application/sdp", SDP + "a=sendonly\r\n"),
    "sdp-private": ("application/sdp", SDP.replace("192.0.2.4", "10.1.2.3")),
    "sdp-two": ("application/sdp", SDP.replace("a=bar", "a=bar\r\na=rtcp:4001 IN IP4 192.0.2.4\r\n"
                                               "m=video 4002 RTP/AVP 31\r\nc=IN IP4 192.168.3.4")),
    "sdp-marked": ("application/sdp", SDP + "a=nortpproxy:yes\r\n"),
    "sdp-v6": ("application/sdp", SDP.replace("IP4 192.0.2.4", "IP6 2001:db8::4")),
    "sdp-null": ("application/sdp", SDP.replace("c=IN IP4 192.0.2.4", "c=IN IP4 0.0.0.0")),
    "sdp-codecs": ("application/sdp", SDP.replace("RTP/AVP 0\r\na=foo\r\na=bar", "RTP/AVP 8 0 3 101\r\n"
        "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
        "a=ptime:20\r\nm=video 4002 RTP/SAVPF 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\n"
        "a=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=42e01f\r\na=inactive\r\na=candidate:1 1 UDP 1 192.0.2.4 4002 typ host")),
    "sdp-mixed": ('multipart/mixed;boundary="bnd"', "--bnd\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
                  "--bnd\r\nContent-Type: application/sdp\r\n\r\n" + SDP + "\r\n--bnd--\r\n"),
    "text": ("text/plain", "abc"),
    "multipart": ('multipart/mixed;boundary="bnd"',
                  "--bnd\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--bnd\r\n"
                  "Content-Type: text/plain\r\nX-H: 1\r\n\r\nhello\r\n--bnd--\r\n"),
}


class Row:
    def __init__(self, statement, request, why):
        self.statement, self.request, self.why = statement, request, why
        self.expected = None


def parse(path):
    """The rows, and for blessing the lines between which they stand."""
    rows, layout, request, in_group, why = [], [], [], False, None
    with open(path) as file:
        lines = file.read().rstrip("\n").split("\n")
    for line in lines:
        if line.startswith("    ") and rows:
            rows[-1].expected = (rows[-1].expected or []) + [line[4:]]
            continue
        layout.append(line)
        if line.startswith("@"):
            request = (request if in_group else []) + [line[1:].strip()]
        elif line.startswith("! "):
            why = line[2:]
        elif line.strip() and not line.startswith("#"):
            rows.append(Row(line.strip(), tuple(request), why))
            layout[-1] = rows[-1]
            why = None
        in_group = line.startswith("@")
    return rows, layout


def configuration(rows):
    text = "".join('\tif ($hdr(Row) == "%d") {\n\t\t$var(code) = 0;\n\t\t%s\n\t}\n'
                   % (i, row.statement.replace("RC;", "$var(code) = $rc;"))
                   for i, row in enumerate(rows))
    lines = ["#!KAMAILIO", "debug=2", "log_stderror=yes", "children=2", "auto_aliases=no",
             "disable_tcp=yes"] + ['loadmodule "%s.so"' % name for name in MODULES]
    lines += ['modparam("%s", "%s", %s)' % (
        module, name, value if isinstance(value, int) else '"%s"' % value)
        for module, name, value in SETTINGS]
    return "\n".join(lines) + "\nrequest_route {" + START + """
	$var(target) = $hdr(X-Target);
	$var(x) = "";
	$var(code) = 0;
""" + text + """
	append_hf("X-Code: $var(code)\\r\\n");
	append_hf("X-Value: $(var(x){s.encode.hexa})\\r\\n");
	$du = "sip:" + $var(target);
	forward();
}
route[SEVEN] { return 7; }
route[FOUR] { $var(x) = $var(x) + "four"; return -4; }
"""


def message_for(agent, server, row, number, target):
    options = {"uri": "sip:bob@example.com", "method": "INVITE", "body": None, "to": None}
    headers = [("Row", str(number)), ("X-Target", target)]
    for line in row.request if row else ():
        line = line.replace("SERVER", server)
        key, _, value = line.partition(" ")
        if key in options:
            options[key] = value
        elif line != "plain":
            name, _, value = line.partition(": ")
            headers.append((name, value))
    kind, body = BODIES[options["body"]] if options["body"] else (None, "")
    request = agent.request(options["method"], options["uri"], headers=headers, body=body,
                            to=options["to"] or "<sip:bob@example.com>", content_type=kind,
                            contact="")
    request.set("From", "<sip:alice@example.com>;tag=from")
    request.set("Call-ID", "call-%d" % number)
    forwards = dict(headers).get("Max-Forwards")
    if forwards:  # instead of the one that every request has
        request.headers = [h for h in request.headers if h[0] != "Max-Forwards"]
        request.headers += [["Max-Forwards", forwards]] if forwards != "none" else []
    return request


def exchange(server, row, number):
    """The forwarded message as lines, with code and value in front; None when nothing comes."""
    alice = Agent("alice", server=server.address, prefix="row")
    bob = Agent("bob", server=server.address, prefix="row")
    try:
        alice.send(message_for(alice, server.host_port, row, number, bob.host_port), server.address)
        seen = bob.expect_any(1)
        text = str(seen)
    except (AssertionError, ValueError):
        return None
    finally:
        alice.close()
        bob.close()
    for agent, name in ((alice, "ALICE"), (bob, "BOB")):
        text = text.replace(agent.host_port, name)
    text = text.replace("%s~%d" % alice.address, "ALICE")
    text = text.replace(server.host_port, "SERVER").replace(server.address[0], "SERVER")
    text = re.sub(r"(?m)^(Via|Row|X-Target): .*\n", "", text)
    text = re.sub(r"(?m)^Date: .*", "Date: NOW", text)
    text = re.sub(r"icid-value=[0-9A-F]{32}", "icid-value=DRAWN", text)
    text = text.replace("call-%d" % number, "call-N")
    code = re.search(r"(?m)^X-Code: (.*)\n", text)
    value = re.search(r"(?m)^X-Value: ?(.*)\n?", text)
    text = re.sub(r"(?m)^X-(Code|Value): .*\n?", "", text)
    decoded = bytes.fromhex(value.group(1)).decode("utf-8", "replace") if value else ""
    decoded = re.sub(r"icid-value=[0-9A-F]{32}|(?<![0-9A-F])[0-9A-F]{32}(?![0-9A-F])", "DRAWN",
                     decoded)
    decoded = decoded.replace(alice.host_port, "ALICE")
    decoded = decoded.replace(server.host_port, "SERVER").replace(server.address[0], "SERVER")
    return code.group(1) if code else "?", decoded, text.rstrip("\n").replace("\r", "\\r").split("\n")


def result(server, row, number, bases):
    if row.request not in bases:
        bases[row.request] = exchange(server, Row("", row.request, None), 99999)
    base, seen = bases[row.request], exchange(server, row, number)
    assert base is not None, "nothing came for the empty row"
    if seen is None:
        return ["(nothing comes)"]
    code, value, lines = seen
    shown = ["=> " + code]
    if value:
        shown.append("x " + value.replace("\r", "\\r").replace("\n", "\\n"))
    return shown + list(difflib.unified_diff(base[2], lines, n=0, lineterm=""))[2:]


@pytest.mark.parametrize("module", FILES)
def test_functions(module, program, start_server):
    path = os.path.join(HERE, module + ".txt")
    rows, layout = parse(path)
    if program == "kamailio":
        rows = [row for row in rows if not row.why]
    server = start_server(configuration(rows))
    server.allow(".*")
    bases, wrong = {}, []
    for number, row in enumerate(rows):
        got = result(server, row, number, bases)
        if row.expected is None and BLESS:
            row.expected = got
        if got != row.expected:
            wrong += [row.statement, "  expected:"] + ["    " + line for line in row.expected or []]
            wrong += ["  came:"] + ["    " + line for line in got]
    if BLESS:
        write(path, layout)
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def write(path, layout):
    with open(path, "w") as file:
        for line in layout:
            if isinstance(line, Row):
                file.write(line.statement + "\n")
                for expected in line.expected or ():
                    file.write("    " + expected + "\n")
            else:
                file.write(line + "\n")
