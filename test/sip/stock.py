# SPDX-License-Identifier: BSD-2-Clause
"""The stock kamailio.cfg, unmodified, as the scenarios of test_stock.py use it: its databases, the
switches that are turned on, the users who exist."""
import itertools
import os

from sipua import Dialog, Phone
from sipua.server import Server
from subscribers import Tables

STOCK = "/etc/kamailio/kamailio.cfg"
HOME = "home.example"           # a name of the server, given on the command line
DOMAINS = ("first.example", "second.example")   # in the table `domain`
GATEWAY_HOST = "127.66.12.1"    # in the table `address`, in the group that needs no password
OTHER_GROUP_HOST = "127.66.12.2"
SWITCHES = ("WITH_MYSQL", "WITH_AUTH", "WITH_IPAUTH", "WITH_USRLOCDB", "WITH_ACCDB", "WITH_ALIASDB",
            "WITH_SPEEDDIAL", "WITH_MULTIDOMAIN", "WITH_JSONRPC", "WITH_VOICEMAIL", "WITH_PSTN",
            "WITH_BLOCK3XX", "WITH_BLOCK401407")
# Without these the others do nothing, or the file is refused.
NEEDS = {"WITH_IPAUTH": ("WITH_AUTH",)}
USES_DATABASE = ("WITH_AUTH", "WITH_IPAUTH", "WITH_USRLOCDB", "WITH_ACCDB", "WITH_ALIASDB",
                 "WITH_SPEEDDIAL", "WITH_MULTIDOMAIN")


def accounting_columns():
    """The statements that the file's own comment tells to run for WITH_ACCDB."""
    with open(STOCK) as source:
        comment = source.read().partition("#!ifdef ACCDB_COMMENT")[2].partition("#!endif")[0]
    return [statement.strip() for statement in comment.split(";") if statement.strip()]


def make_tables(engine, request, path):
    """A database with what the stock configuration can need."""
    os.chmod(path, 0o777)
    tables = Tables(engine, request, path)
    statements = accounting_columns()
    statements += ["INSERT INTO domain (domain) VALUES ('%s')" % name for name in DOMAINS]
    statements += ["INSERT INTO address (grp, ip_addr) VALUES (%d, '%s')" % row
                   for row in ((1, GATEWAY_HOST), (2, OTHER_GROUP_HOST))]
    for statement in [";\n".join(statements)] if tables.server else statements:
        tables.sql(statement)
    return tables


def switches_of(name):
    """The switches of a site by its name: "all", or one with those that it needs."""
    if name == "all":
        return SWITCHES
    return (name,) + NEEDS.get(name, ())


def arguments(tables, switches):
    """Command line: -A for each switch, the database, and the domain of the users."""
    words = ["--alias=" + HOME]
    needs_database = any(switch in USES_DATABASE for switch in switches)
    if tables.engine == "mariadb":
        switches = switches + (("WITH_MYSQL",) if needs_database else ())
    else:
        # The file loads the driver of MySQL only.
        switches = [switch for switch in switches if switch != "WITH_MYSQL"]
        words.append("--loadmodule=%s.so" % tables.module)
    for switch in dict.fromkeys(switches):
        words += ["-A", switch]
    return words + (["-A", 'DBURL="%s"' % tables.url] if needs_database else [])


class Site:
    """One server with the stock configuration. Each user that it makes is a new one."""
    numbers = itertools.count(1)

    def __init__(self, program, tables, switches):
        self.tables, self.switches = tables, switches
        self.phones = []
        self.server = Server(STOCK, program, arguments=arguments(tables, switches),
                             transports=("udp", "tcp"))
        # xlog() of the file itself, at its usual level.
        self.server.allow("SCRIPT: (PSTN|VoiceMail) routing enabled but")
        # The peer's, when sites without domains used the same table before.
        self.server.allow("empty domain record for user")

    def has(self, switch):
        return switch in self.switches

    def phone(self, name="user", domain=HOME, subscribe=True, signed_in=False, host="127.0.0.1", user=None,
              **kwargs):
        """A telephone of a new subscriber, with a name of its own unless `user` tells it."""
        user = user or "%s%d" % (name, next(Site.numbers))
        if subscribe:
            self.tables.add_subscriber(user, domain, "pw-" + user)
        made = Phone(user, "pw-" + user, self.server.address, host=host, domain=domain, **kwargs)
        self.phones.append(made)
        if signed_in:
            made.sign_in()
        return made

    def set(self, group, **values):
        """Changes custom parameters of the file while the server runs."""
        for name, value in values.items():
            self.server.rpc("cfg.set_now_string", group, name, value)

    def close_phones(self):
        for phone in self.phones:
            phone.close()
        self.phones = []


def ring(caller, callee, uri=None, **kwargs):
    """A call that rings at `callee`: the caller's INVITE (with credentials when it was asked for
    them) and the callee's."""
    invite, _ = caller.transact(caller.request("INVITE", uri or callee.aor, body=caller.sdp(), **kwargs), (100,))
    return invite, callee.expect_request("INVITE")


def answer(caller, callee, invite, incoming):
    """Answers; the two dialogs."""
    ok = callee.reply(incoming, 200, body=callee.sdp())
    dialog = Dialog.from_client(caller, invite, caller.expect_reply(200, invite))
    dialog.ack()
    callee.expect_request("ACK")
    return dialog, Dialog.from_server(callee, incoming, ok)


def hang_up(dialog, other, status=200):
    bye = dialog.send("BYE")
    other.reply(other.expect_request("BYE"), status)
    dialog.agent.expect_reply(status, bye)


def call(caller, callee, uri=None, **kwargs):
    """A whole call; the INVITE that the callee saw."""
    invite, incoming = ring(caller, callee, uri, **kwargs)
    hang_up(answer(caller, callee, invite, incoming)[0], callee)
    return incoming
