# SPDX-License-Identifier: BSD-2-Clause
"""Debian's kamcmd and kamctl run the same commands against Debian's server and ours: what they print has
the same shape. Then our own tools against our server: they print what Debian's print there."""
import contextlib
import functools
import os
import re
import shutil
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from sipua import Agent
from sipua.server import Server, build_dir, find_program

KAMCMD = shutil.which("kamcmd", path="/usr/sbin:/usr/bin:/usr/local/sbin")
KAMCTL = shutil.which("kamctl", path="/usr/sbin:/usr/bin:/usr/local/sbin")
OUR_KAMCMD, OUR_KAMCTL, OUR_KAMDBCTL = (
    os.path.join(build_dir(), "utils", name) for name in ("kamcmd", "kamctl", "kamdbctl"))
pytestmark = [pytest.mark.viaduct_only("starts both servers itself"),
              pytest.mark.skipif(not find_program("kamailio") or not KAMCMD or not KAMCTL, reason="needs Debian's tools")]
CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
auto_aliases=no
alias="example.org"
children=2
site.limit = 5 desc "a limit of this site"
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "counters.so"
loadmodule "cfg_rpc.so"
loadmodule "jsonrpcs.so"
loadmodule "ctl.so"
modparam("jsonrpcs", "transport", 6)
request_route {
	if (is_method("REGISTER")) {
		save("location");
		exit;
	}
	sl_send_reply("200", "Ready");
}
"""

# Run in this order on both servers.
KAMCMD_COMMANDS = [
    "core.uptime", "core.psx", "core.psa", "core.sockets_list", "core.aliases_list", "core.tcp_list", "core.tcp_info",
    "core.tcp_options", "core.shmmem", "core.modules", "core.ppdefines", "core.info", "core.runinfo", "core.version",
    "core.echo a 1 s:007", "core.printi 5", "core.prints a b", "core.kill 0", "core.flags", "core.pwd",
    "system.listMethods", "system.methodSignature core.uptime", "no.such",
    "ul.dump", "ul.dump brief", "ul.lookup location alice", "ul.lookup location Alice@example.org",
    "ul.lookup location nobody", "ul.lookup nosuch alice",
    "ul.add location s:Bob@example.org s:sip:b@192.0.2.2 300 0.5 s:0 0 0 7", "ul.lookup location bob",
    "ul.rm_contact location bob sip:other@192.0.2.2", "ul.rm_contact location bob sip:b@192.0.2.2",
    "ul.rm_contact location bob sip:b@192.0.2.2", "ul.rm location bob", "ul.flush",
    "tm.list", "tm.stats", "tm.clean", "sl.stats",
    "cfg.list site", "cfg.get core debug", "cfg.get site limit", "cfg.set_now_int site limit 6", "cfg.get site",
    "cfg.diff", "cfg.help site limit", "cfg.seti core debug 2", "cfg.sets core nosuch a", "cfg.list core", "cfg.list tcp",
    "cfg.list registrar", "stats.get_statistics core:", "stats.get_statistics sl:", "stats.get_statistics usrloc:",
    "stats.get_statistics rcv_requests", "stats.fetch core:rcv_requests", "stats.fetchn sl:",
    "stats.reset_statistics sl:", "stats.clear_statistics sl:", "cnt.grps_list", "cnt.var_list sl",
    "cnt.get sl 200_replies", "cnt.get_vars sl", "cnt.get tmx nosuch", "pkg.stats index 0", "shm.stats",
    "corex.list_sockets", "corex.list_aliases", "corex.debug", "corex.debug 2", "dst_blocklist.view", "ctl.who",
    "ctl.listen", "ctl.connections", "pv.shvGet nosuch", "pv.shvSet a int 5", "pv.shvGet a", "dns.lookup A localhost",
]
KAMCTL_COMMANDS = [
    "uptime", "version", "ps", "psa", "stats sl", "stats usrloc", "stats rcv_requests", "srv sockets", "srv aliases",
    "srv rpclist", "srv modules", "srv version", "rpc core.version", "rpc stats.fetch sl:", "rpc cfg.get core debug",
    "rpc core.echo a 1", "ul show", "ul show alice@example.org", "ul show --brief", "online",
    "ul add carol@example.org sip:c@192.0.2.3", "ul show carol@example.org", "ul rm carol@example.org",
    "ul rm nobody@example.org", "rpc no.such",
]
# A line for each thing that both print, when one prints more of them than the other.
ONE_OF_EACH = ("core.psx", "core.psa", "core.shmmem", "pkg.stats index 0", "ps", "psa")
# What the peer prints must be there; ours may have more lines.
MORE_OF_OURS = {
    "core.ppdefines": "defines of ours", "system.listMethods": "commands of ours", "srv rpclist": "commands of ours",
    "stats.get_statistics core:": "counters of ours", "cnt.grps_list": "counters of ours",
    "core.tcp_options": "parameters of ours", "cfg.list core": "settings of ours", "cfg.list tcp": "settings of ours",
}
# Lines of the peer that ours does not print.
MISSING = {
    "core.tcp_options": ("fd_cache", "connect_wait", "alias_flags"),
    "cfg.list tcp": ("fd_cache", "connect_wait", "alias_flags", "wait_data_ms", "wq_blk_size", "max_tls_connections"),
    "cfg.list core": ("mem_", "mem", "dst_blocklist_", "dns_search_full_match", "dns_reinit", "dns_cache_rec_pref",
                      "_raw", "corelog", "latency_", "pv_cache_", "sip_parser_log"),
    "cfg.list registrar": ("realm_pref",),
}
DIFFERS = {
    "core.runinfo": "the version of the product", "core.info": "the version of the product",
    "core.flags": "what was compiled in",
    "core.version": "the version of the product", "srv version": "the version of the product",
    "rpc core.version": "the version of the product",
    "cfg.sets core nosuch a": "ours says what is wrong",
    "dns.lookup A localhost": "the peer asks DNS only; ours knows what RFC 6761 says about localhost",
}


def shape(text):
    """The lines, with numbers and what is different between two runs replaced."""
    text = re.sub(r"vd-\w+", "DIRECTORY", text)
    text = re.sub(r"uloc-[-\w]+|ulcx-[-\w]+", "RUID", text)
    text = re.sub(r"(\w{3}) \w{3} +\d+ \d\d:\d\d:\d\d \d{4}", "DATE", text)
    text = re.sub(r"(?<=\S)[ \t]+", " ", text)
    return [re.sub(r"\d+", "N", line).rstrip() for line in text.rstrip().splitlines()]


def keys(text):
    """The names of members, each once, without what they hold."""
    return sorted({line.split(":")[0].strip(' {},[]\t"') for line in shape(text)})


class Tools:
    """The tools beside one server."""

    def __init__(self, server, home):
        self.server, self.home = server, home
        self.rc = os.path.join(home, ".kamctlrc")
        with open(self.rc, "w") as file:
            file.write('SIP_DOMAIN=example.org\nDBENGINE=SQLITE\nDB_PATH="%s/k.sqlite"\nRPCFIFOPATH="%s"\n'
                       % (home, os.path.join(server.rundir, "kamailio_rpc.fifo")))

    def run(self, *command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                              env=dict(os.environ, HOME=self.home))
        return done.returncode, done.stdout.replace(self.server.host_port, "HOST") \
            .replace(self.server.address[0], "ADDRESS"), done.stderr

    def kamcmd(self, words, program=KAMCMD):
        return self.run(program, "-s", "unix:" + os.path.join(self.server.rundir, "kamailio_ctl"), *words.split())

    def kamctl(self, words, program=KAMCTL):
        return self.run(program, *([] if program == KAMCTL else ["--rc", self.rc]), *words.split())


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """The peer and ours, each with a registration."""
    made = []
    for name in ("kamailio", "viaduct"):
        server = Server(CONFIG, name)
        phone = Agent("alice", server=server.address)
        phone.register(contact=["<sip:alice@192.0.2.1:5070>;q=0.7"], call_id="fixed", cseq=3)
        phone.close()
        made.append(Tools(server, str(tmp_path_factory.mktemp(name))))
    yield made
    for side in made:
        side.server.kill()


def assert_same(words, peer, ours):
    if words in DIFFERS:
        assert shape(peer[1]) != shape(ours[1]), "no difference any more; take it out of DIFFERS"
    elif words in MORE_OF_OURS or words in MISSING:
        missing = [line for line in set(shape(peer[1])) - set(shape(ours[1]))
                   if not any(name in line for name in MISSING.get(words, ()))]
        assert not missing
        assert words in MISSING or set(shape(ours[1])) > set(shape(peer[1])), "take it out of MORE_OF_OURS"
    elif words in ONE_OF_EACH:
        assert keys(ours[1]) and {key for key in keys(peer[1]) if ":" not in key} <= set(keys(ours[1]))
    else:
        assert (ours[0], shape(ours[1])) == (peer[0], shape(peer[1]))


@pytest.mark.parametrize("words", KAMCMD_COMMANDS)
def test_debians_kamcmd(sides, words):
    assert_same(words, *(side.kamcmd(words) for side in sides))


@pytest.mark.parametrize("words", KAMCMD_COMMANDS)
def test_our_kamcmd(sides, words):
    """Against the peer it prints exactly what Debian's prints, but for what changes by itself."""
    for side in sides:
        debian, ours = side.kamcmd(words), side.kamcmd(words, OUR_KAMCMD)
        if words.startswith(("ul.rm", "ul.add", "cfg.diff")):
            assert ours[0] in (0, 1)  # the second run finds another state
        else:
            assert shape(ours[1]) == shape(debian[1])


@pytest.mark.parametrize("words", KAMCTL_COMMANDS)
def test_debians_kamctl(sides, words):
    assert_same(words, *(side.kamctl(words) for side in sides))


@pytest.mark.parametrize("words", KAMCTL_COMMANDS)
def test_our_kamctl(sides, words):
    """The same text but for white space and the headings that Debian's prints."""
    debian, ours = (sides[1].kamctl(words, program) for program in (KAMCTL, OUR_KAMCTL))
    text = [re.sub(r"\s+", "", "".join(shape(re.sub(r"^list .*\n", "", one[1])))) for one in (debian, ours)]
    if words == "version":
        assert ours[0] == 0 and re.fullmatch(r"\S*kamctl \S+\n", ours[1])
    elif words.startswith("ul rm carol"):
        assert ours[0] in (0, 1)
    else:
        assert text[1] == text[0]


# ---- the database ----
# Both tools leave the same rows and tell by the exit code whether it was done. "!": refused by both.
TABLE_COMMANDS = """add alice secret1
!add alice other
add bob@other.example pw2
passwd alice new1
!passwd nobody x
show alice
!rm nobody
acl grant alice local
acl grant alice int
!acl grant nobody local
acl revoke alice int
acl show alice
alias_db add a1@example.org alice@example.org
alias_db add a2@example.org alice@example.org
alias_db rm a2@example.org
speeddial add alice@example.org 11@example.org sip:bob@other.example desc
speeddial add alice@example.org 12@example.org sip:bob@other.example
!speeddial add alice@example.org 13@example.org bob
speeddial rm alice@example.org 12@example.org
address add 1 10.0.0.1
address add 1 10.1.0.0 16 5060 office
address rm 1 10.0.0.1
trusted add 10.0.0.6 any ^sip:.*$ tag
domain add one.example
domain add two.example
domain showdb
domain rm two.example
dispatcher add 1 sip:10.0.0.1:5060
dispatcher add 2 sip:10.0.0.2 1 5 prefix=1 text
dispatcher rm 1
avp add alice@example.org color 0 blue
avp add alice@example.org shape 0 round
avp rm -u alice@example.org -a color
mtree add mtree 123 value
db show subscriber
db version add foo 3
db version set foo 4
db version update foo 5
cr addcn 1 default
cr adddn 1 dom
cr rmcn 1
acc initdb
acc recent""".splitlines()


def rows_of(path):
    """Every table's rows without numbers and times that each run makes anew."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = {}
        for name in names:
            cursor = database.execute('SELECT * FROM "%s"' % name)
            kept = [i for i, column in enumerate(cursor.description) if column[0] not in ("id", "last_modified")]
            tables[name] = sorted(repr([row[i] for i in kept]) for row in cursor)
        return tables


def run_table_commands(program, home):
    """For each command: was it done, and what is in the database then."""
    options = [] if program == KAMCTL else ["--rc", str(home / ".kamctlrc")]
    results = []
    for line in TABLE_COMMANDS:
        done = subprocess.run([program, *options, *line.lstrip("!").split()], env=dict(os.environ, HOME=str(home)),
                              text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        results.append((done.returncode == 0, rows_of(home / "k.sqlite"), done.stdout + done.stderr))
    return results


@pytest.mark.slow
def test_the_database_is_the_same_after_each_command(tmp_path):
    homes = [tmp_path / "debian", tmp_path / "ours"]
    for home in homes:
        home.mkdir()
        (home / ".kamctlrc").write_text("SIP_DOMAIN=example.org\nDBENGINE=SQLITE\nDB_PATH=%s/k.sqlite\nDBINITASK=no\n"
                                        "INSTALL_EXTRA_TABLES=yes\nINSTALL_PRESENCE_TABLES=no\nINSTALL_DBUID_TABLES=no\n"
                                        % home)
    subprocess.run([OUR_KAMDBCTL, "--rc", str(homes[0] / ".kamctlrc"), "create"], check=True, capture_output=True, timeout=60)
    shutil.copy(homes[0] / "k.sqlite", homes[1] / "k.sqlite")
    with ThreadPoolExecutor() as threads:
        debian, ours = threads.map(run_table_commands, (KAMCTL, OUR_KAMCTL), homes)
    for line, theirs, our in zip(TABLE_COMMANDS, debian, ours):
        assert theirs[0] == our[0] == (not line.startswith("!")), (line, theirs[2], our[2])
        assert our[1] == theirs[1], line


# ---- every command ----
ELSEWHERE = {"recent": "acc recent", "ul": "ul show"}       # as the peer's help writes them


def commands_of_help(program):
    """The commands that the help of Debian's tool names: one or two words before the arguments."""
    found = set()
    help_text = subprocess.run([program, "help"], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
                               env=dict(os.environ, DBENGINE="MYSQL")).stdout     # without one it is short
    for line in help_text.splitlines():
        match = re.match(r"(?: |usage: kamdbctl |       kamdbctl )([a-z_-]+)((?: [a-z_-]+)*)(?= *[<\[.])", line)
        if match and not match.group(1).startswith("-"):
            found.add((match.group(1) + match.group(2)).strip())
    return {ELSEWHERE.get(command, command) for command in found}


@functools.cache
def names_after(program, *words):
    """What can stand behind these words, as the completion of shells knows it."""
    lines = subprocess.run([program, "--complete", *words], capture_output=True, text=True, timeout=30).stdout
    return {line.split("\t")[0] for line in lines.splitlines()}


def ours_has(program, command):
    family, _space, rest = command.partition(" ")
    return family in names_after(program) and (not rest or rest == "help" or rest.split()[0] in names_after(program, family))


def test_every_command_of_debians_kamctl_is_ours():
    commands = commands_of_help(KAMCTL)
    assert len(commands) > 100 and {"acl grant", "pstrap", "ul dbclean", "speeddial add"} <= commands
    assert [command for command in sorted(commands) if not ours_has(OUR_KAMCTL, command)] == []


def test_every_command_of_debians_kamdbctl_is_ours():
    commands = {command.split()[0] for command in commands_of_help(shutil.which("kamdbctl", path="/usr/sbin:/usr/bin"))}
    assert len(commands) > 12 and {"create", "add-tables", "pframework"} <= commands
    assert [command for command in sorted(commands) if not ours_has(OUR_KAMDBCTL, command)] == []
