# SPDX-License-Identifier: BSD-2-Clause
"""Names that try to be more than names, against usrloc and acc on each of the engines: over-long ones, NUL,
bytes that are no characters. Each row is right, or somebody is told clearly that it is refused; who
registered stays registered, and nobody fills the log."""
import itertools
import re
from urllib.parse import quote

import pytest
from subscribers import ATTACKS
from tables import ENGINES, engine_tables, wait_for
from test_acc_db import add_columns, wait_rows
from test_acc_db import config as acc_config
from test_journal import stop
from test_usrloc_db import config as usrloc_config

LENGTHS = (64, 65, 128, 255, 256, 512, 3000)
TEXTS = {"letters": "x", "two bytes": "\u00fc", "four bytes": "\U0001f642", "quotes": "'", "backslashes": "\\"}
RAW = {"nul": b"a\0b", "nul at the end": b"ab\0", "overlong": b"\xc0\xa7or-1", "cut": b"al\xc3",
       "latin": b"j\xfcrgen", "surrogate": b"\xed\xa0\x80"}
# What each value of a request may be, and the column where it goes.
PLACES = {"User-Agent": "user_agent", "Call-ID": "callid", "user": "username", "contact": "contact",
          "instance": "instance"}
# The bytes of a text as hexadecimal digits.
AS_HEX = {"db_sqlite": "hex(%s)", "db_mysql": "HEX(CONVERT(%s USING utf8mb4))",
          "db_postgres": "encode(convert_to(%s, 'UTF8'), 'hex')"}
PLACE = b"PLACE"
LINES_MOST = 60  # of errors, whatever comes


@pytest.fixture(params=ENGINES, scope="module")
def engine(request, tmp_path_factory):
    """Gives tables of that engine; servers are started once."""
    return lambda *groups: engine_tables(request, tmp_path_factory.mktemp("hostile"),
                                         "rows_hostile_" + groups[0], *groups)


def hostile_values():
    for (name, character), length in itertools.product(TEXTS.items(), LENGTHS):
        yield "%s %d" % (name, length), (character * length).encode()[:3000 - 3000 % len(character.encode())]
    yield from RAW.items()


def registration(phone, server, place, value, number):
    """A REGISTER whose `place` is the value, as it goes over the wire."""
    marks = dict.fromkeys(PLACES, "")
    marks[place] = PLACE.decode()
    user = marks["user"] or "user%d" % number
    contact = "<sip:%s@192.0.2.1>" % (marks["contact"] or "c%d" % number)
    if marks["instance"]:
        contact += ';+sip.instance="<urn:%s>"' % marks["instance"]
    request = phone.request(
        "REGISTER", "sip:" + phone.domain, to="<%s>" % server.uri(user),
        call_id=marks["Call-ID"] or "call-%d" % number,
        headers=[("Contact", contact), ("Expires", "600"),
                 ("User-Agent", marks["User-Agent"] or "agent %d" % number)])
    return request.encode().replace(PLACE, value)


def registered(phone, mute, server):
    """What the server answers to all of them: {(place, name): (status, number, value)}; status 0: nothing,
    as to a message that is none. `mute` sends those and hears nothing."""
    answers = {}
    for number, (place, (name, value)) in enumerate(itertools.product(PLACES, hostile_values())):
        sender = mute if b"\0" in value else phone
        sender.socket.sendto(registration(sender, server, place, value, number), server.address)
        answers[place, name] = (0 if sender is mute else phone.expect_any().status, number, value)
    mute.expect_nothing()
    assert not phone.inbox
    return answers


def error_lines(server):
    return [line for line in server.log().split("\n") if re.search(r"\b(ERROR|CRITICAL)\b", line)]


def texts(tables, table, *columns):
    """Rows as {column: bytes}."""
    wanted = ", ".join("COALESCE(%s, '')" % (AS_HEX[tables.driver] % column) for column in columns)
    return [dict(zip(columns, map(bytes.fromhex, row)))
            for row in tables.sql("SELECT %s FROM %s" % (wanted, table))]


def in_memory(server):
    lines = server.rpc("stats.get_statistics", "usrloc:")
    return int(re.search(r"location[-_]contacts = (\d+)", "\n".join(lines)).group(1))


@pytest.mark.viaduct_only("the peer writes nothing, or half of it")
@pytest.mark.parametrize("mode", [1, 2])
def test_bindings_with_hostile_names(agent, start_server, engine, mode):
    tables = engine("usrloc")
    tables.sql("DELETE FROM location")
    server = start_server(usrloc_config(tables, mode, registrar__contact_max_size=4000))
    server.allow(".*")
    phone, mute, plain = (agent(name, server=server) for name in ("phone", "mute", "plain"))
    plain.register(contact=["<sip:first@192.0.2.1>"])
    answers = registered(phone, mute, server)
    plain.register(contact=["<sip:last@192.0.2.1>"])
    accepted = {key: row for key, row in answers.items() if row[0] == 200}
    # A request is refused for its form or taken; nothing else happens to it.
    assert {row[0] for row in answers.values()} <= {0, 200, 400}
    assert all(row[0] == 200 for (place, name), row in answers.items()
               if place in ("user", "contact") and name.startswith("letters"))
    assert in_memory(server) == len(accepted) + 2
    server.rpc("ul.flush")
    kept = {row["callid"]: row for row in texts(tables, "location", *PLACES.values())}
    assert len(tables.sql("SELECT contact FROM location WHERE username = 'plain'")) == 2
    errors = error_lines(server)
    assert len(errors) < LINES_MOST, "\n".join(errors)
    refused = len(accepted) + 2 - int(tables.sql("SELECT COUNT(*) FROM location")[0][0])
    assert refused == 0 if tables.driver == "db_sqlite" else 0 < refused < len(accepted)
    assert refused == 0 or re.search("the database refuses the binding .* in memory", server.log())
    for (place, name), (_, number, value) in accepted.items():
        row = kept.get(b"call-%d" % number)
        if place == "User-Agent":  # it only informs: what does not fit is shortened or cleaned
            assert row and (row["user_agent"][:1] in (value[:1], b"?")), name
        elif row and place in ("user", "contact"):  # these are right or not there
            assert row[PLACES[place]] == (b"%s" if place == "user" else b"sip:%s@192.0.2.1") % value, name
    before = in_memory(server)
    stop(server, "kill")
    server.start()
    assert in_memory(server) == before
    assert len(plain.register(contact=[]).contacts) == 2
    server.rpc("ul.flush")
    assert len(error_lines(server)) < 2 * LINES_MOST


@pytest.mark.parametrize("mode", [2, 3])
def test_names_are_not_statements(agent, start_server, engine, mode):
    """Who tries to be more than a name gets its own binding, and sees and removes nobody else's."""
    tables = engine("usrloc")
    tables.sql("DELETE FROM location")
    server = start_server(usrloc_config(tables, mode))
    server.allow(".*")
    alice, mallory = agent("alice", server=server), agent("mallory", server=server)
    alice.register(contact=["<sip:alice@192.0.2.1>"])
    for number, attack in enumerate(attack for attack in ATTACKS if len(attack.encode()) <= 64):
        user = quote(attack, safe="-_.!~*'()&=+$,;?/")           # as RFC 3261 lets it stand in a URI
        def ask(contact, expires=600):
            request = mallory.request("REGISTER", "sip:" + mallory.domain, to="<%s>" % server.uri(user),
                                      headers=[("Expires", str(expires))] + ([("Contact", contact)] if contact else []))
            mallory.send(request)
            return mallory.expect_reply(200, request)
        assert contacts_of(ask("<sip:m%d@192.0.2.66>" % number)) == ["sip:m%d@192.0.2.66" % number], attack
        server.rpc("ul.flush")
        kept = texts(tables, "location", "username", "contact")
        assert {"username": attack.lower().encode(), "contact": b"sip:m%d@192.0.2.66" % number} in kept, attack
        assert contacts_of(ask(None)) == ["sip:m%d@192.0.2.66" % number], attack
        assert contacts_of(ask("*", 0)) == [], attack
    assert contacts_of(alice.register(contact=[])) == ["sip:alice@192.0.2.1"]
    server.rpc("ul.flush")
    assert [row["username"] for row in texts(tables, "location", "username")] == [b"alice"]
    assert not re.search("(?i)syntax error|unterminated", server.log())


def contacts_of(reply):
    return sorted(re.search("<(.*?)>", value).group(1) for line in reply.all("Contact")
                  for value in line.split(",") if "<" in value)


ACC_PLACES = {"Call-ID": "callid", "From tag": "from_tag", "reason": "sip_reason", "extra": "caller"}


def accounted(phone, server, place, value, number):
    """A MESSAGE that the script accounts, with the value at `place`."""
    marks = dict.fromkeys(ACC_PLACES, "")
    marks[place] = PLACE.decode()
    request = phone.request(
        "MESSAGE", server.uri("comment"), call_id=marks["Call-ID"] or "call-%d" % number,
        from_="<sip:%s@example.org>;tag=%s" % (marks["extra"] or "caller", marks["From tag"] or "tag%d" % number),
        headers=[("X-Comment", "200 " + (marks["reason"] or "R%d" % number)), ("X-Table", "acc"), ("X-Both", "0")])
    return request.encode().replace(PLACE, value)


@pytest.mark.viaduct_only("the peer writes nothing, or half of it")
def test_accounting_of_hostile_names(agent, start_server, engine):
    tables = engine("acc")
    add_columns(tables, ("caller",), "VARCHAR(64)")
    server = start_server(acc_config(tables, db_extra='"caller=$fU"'))
    server.allow(".*")
    phone, mute = agent("phone", server=server), agent("mute", server=server)
    sent = {}
    for number, (place, (name, value)) in enumerate(itertools.product(ACC_PLACES, hostile_values())):
        sender = mute if b"\0" in value else phone
        sender.socket.sendto(accounted(sender, server, place, value, number), server.address)
        if sender is phone and phone.expect_any().status == 200:
            sent[place, name] = (number, value)
    mute.expect_nothing()
    assert len(sent) > len(ACC_PLACES) * len(LENGTHS)
    count = "SELECT COUNT(*) FROM acc"
    wait_for(lambda: int(tables.sql(count)[0][0]) >= len(sent), server.log)
    rows = texts(tables, "acc", *ACC_PLACES.values())
    assert len(rows) == len(sent)
    # Each has its row, and what is in it begins as it was sent.
    by_call = {row["callid"]: row for row in rows}
    for (place, name), (number, value) in sent.items():
        if place == "Call-ID":
            row = next(row for row in rows if row["from_tag"] == b"tag%d" % number)
        else:
            row = by_call[b"call-%d" % number]
        found = row[ACC_PLACES[place]]
        assert found == value or (tables.driver != "db_sqlite" and found[:1] in (value[:1], b"?")), (place, name)
    assert not re.search("(?i)syntax error|unterminated", server.log())
    assert len(re.findall("was not committed|cannot begin", server.log())) == 0
