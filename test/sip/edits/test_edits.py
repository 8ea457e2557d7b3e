# SPDX-License-Identifier: BSD-2-Clause
"""What script statements do to a message on the wire: the forwarded request, or the reply that
passes, compared with the one that the same script sends without the statement.

Each .txt file holds statements, each followed by the expected difference, indented. They come from
Debian's kamailio 5.6.3: VALUES_BLESS=1 pytest test/sip/edits --server kamailio fills in what is
missing ("REFUSED": it does not load the statement, which is not run).
"""
import difflib
import os
import re

import pytest
from settings import START, head
from sipua import Agent
from sipua.server import Server

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ("requests", "replies", "local")
BLESS = os.environ.get("VALUES_BLESS")
MODULES = ("ctl", "counters")


def parse(path):
    """[(statement, [difference lines] or None)]"""
    cases = []
    with open(path) as lines:
        for line in lines.read().split("\n"):
            if line.startswith("    "):
                statement, difference = cases[-1]
                cases[-1] = (statement, (difference or []) + [line[4:]])
            elif line.strip() and not line.startswith("# "):
                cases.append((line.strip(), None))
    return cases


def configuration(kind, statements):
    """The route for `kind`; the header Row picks the statement."""
    rows = "".join('\tif ($hdr(Row) == "%d") {\n\t\t%s\n\t}\n' % (i, statement)
                   for i, statement in enumerate(statements))
    replies = "".join('\tif ($avp(row) == "%d") {\n\t\t%s\n\t}\n' % (i, statement)
                      for i, statement in enumerate(statements))
    if kind == "local":
        return head(*MODULES) + "request_route {" + START + rows \
            + '\tsl_send_reply("200", "OK");\n}\n'
    return head(*MODULES) + "request_route {" + START + """
	if (is_method("ACK|CANCEL")) exit;
	$avp(row) = $hdr(Row);
	$var(target) = "sip:" + $hdr(X-Target);
""" + (rows if kind == "requests" else "") + """
	if ($du == $null) $du = $var(target);
	t_on_reply("EDIT");
	if (!t_relay()) sl_reply_error();
}
onreply_route[EDIT] {
""" + (replies if kind == "replies" else "") + '\treturn;\n}\n'


BODY = "v=0\r\no=x 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n"
EXTRA = [("Subject", "one two"), ("X-Multi", "first"), ("X-Multi", "second"), ("X-List", "a, b, c"),
         ("Supported", "timer"), ("Supported", "100rel"), ("User-Agent", "agent/1.0"),
         ("Route", "<sip:192.0.2.50;lr>")]


# Statements whose wire difference is another than the peer's, and why.
NO_STATUS = 'a status beyond 699 becomes 500 (RFC 3261 7.2)'
UNCLOSED = 'a multipart body ends with its closing delimiter (RFC 2046 5.1.1)'
KNOWN = {
    'set_body_multipart();': UNCLOSED,
    'set_body_multipart("hello", "text/plain", "bound1");': UNCLOSED,
    'msg_set_buffer("x");':
        'what is no SIP message is refused; a request is not lost by it (RFC 3261 17.2.1)',
    'sl_send_reply("700", "Out Of Range"); exit;': NO_STATUS,
    'sl_send_reply("700", "x"); exit;': NO_STATUS,
    'send_reply("700", "x"); exit;': NO_STATUS,
    't_newtran(); t_reply("700", "x"); exit;': NO_STATUS,
    '$ru = "sip:x@[bad"; t_relay(); exit;':
        'a request that cannot be forwarded is answered (RFC 3261 16.3)',
}


def exchange(server, kind, number, seconds=5):
    """What row `number` makes of the message; None when nothing comes."""
    alice = Agent("alice", server=server.address, prefix="edit", domain="example.org")
    bob = Agent("bob", server=server.address, prefix="edit", domain="example.net")
    try:
        target = [("Row", str(number)), ("X-Target", bob.host_port)]
        request = alice.request("MESSAGE", "sip:row@example.com;a=b", body=BODY,
                                headers=target + EXTRA, contact=alice.contact)
        request.set("Call-ID", "edit-%d-%d" % (number, alice.address[1]))
        request.set("To", "<sip:row@example.com>")
        alice.send(request, server.address)
        if kind == "local":
            seen = alice.expect_any(seconds)
        else:
            incoming = bob.expect_request("MESSAGE", seconds)
            if kind == "requests":
                seen = incoming
                bob.reply(incoming, 200)
                alice.expect_any(5)
            else:
                bob.reply(incoming, 200, "Fine", body=BODY, headers=EXTRA[:-1])
                seen = alice.expect_any(5)
        return normalise(seen, server, alice, bob, number)
    except AssertionError:
        return None
    finally:
        alice.close()
        bob.close()


def normalise(message, server, alice, bob, number):
    """Lines of the message without what differs from row to row."""
    text = str(message)
    for agent, name in ((alice, "ALICE"), (bob, "BOB")):
        text = text.replace(agent.host_port, name)
        text = re.sub(r"(?<!\d)%d(?!\d)" % agent.address[1], name + "-PORT", text)
    text = text.replace(server.host_port, "SERVER").replace(server.address[0], "SERVER-IP")
    text = text.replace(":%d" % server.address[1], ":SERVER-PORT")
    text = re.sub(r"(?m)^Date: .*", "Date: NOW", text)
    text = text.replace("edit-%d-" % number, "edit-").replace("Row: %d\n" % number, "Row: N\n")
    text = re.sub(r"branch=z9hG4bK(?!edit)[^;,\s]*", "branch=BRANCH", text)
    text = re.sub(r"tag=(?!edit)[^;>,\s]+", "tag=TAG", text)
    text = re.sub(r"(?m)^(Server|User-Agent): .*(kamailio|[vV]iaduct).*$", r"\1: PRODUCT", text)
    return text.rstrip("\n").replace("\r", "\\r").split("\n")


def difference(base, seen):
    if seen is None:
        return NOTHING
    lines = list(difflib.unified_diff(base, seen, n=0, lineterm=""))[2:]
    return lines or ["(no difference)"]


NOTHING = ["(nothing comes)"]


def results(server, kind, expected):
    """One difference per expected one; the row behind the last is the empty statement."""
    base = exchange(server, kind, len(expected)) or exchange(server, kind, len(expected))
    assert base is not None, "nothing came for the empty statement"
    found = [difference(base, exchange(server, kind, i, 0.2 if wanted == NOTHING else 5))
             for i, wanted in enumerate(expected)]
    # On a busy machine the second try tells "late" from "nothing".
    return [difference(base, exchange(server, kind, i))
            if got == NOTHING and expected[i] != NOTHING else got for i, got in enumerate(found)]


@pytest.mark.parametrize("kind", KINDS)
def test_edits(kind, program, start_server):
    path = os.path.join(HERE, kind + ".txt")
    if BLESS:
        bless(path, kind, program)
    cases = [case for case in parse(path) if case[1] != ["REFUSED"]]
    server = start_server(configuration(kind, [statement for statement, _ in cases]))
    server.allow(".*")
    wrong = []
    for (statement, expected), got in zip(cases, results(server, kind, [d for _, d in cases])):
        if program == "viaduct" and statement in KNOWN:
            if got == expected:
                wrong.append(statement + " no longer differs: remove it from KNOWN")
        elif got != expected:
            wrong += [statement, "  expected:"] + ["    " + line for line in expected or []]
            wrong += ["  came:"] + ["    " + line for line in got]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


# ---- blessing: only against the peer ----
def try_statement(kind, statement, program):
    try:
        server = Server(configuration(kind, [statement]), program)
    except AssertionError:
        return ["REFUSED"]
    try:
        return results(server, kind, [None])[0]
    finally:
        server.discard()


def bless(path, kind, program):
    with open(path) as lines:
        comments = [line.rstrip("\n") for line in lines if line.startswith("# ")]
    out = comments + [""]
    for statement, expected in parse(path):
        out.append(statement)
        out += ["    " + line for line in expected or try_statement(kind, statement, program)]
    with open(path, "w") as file:
        file.write("\n".join(out) + "\n")
