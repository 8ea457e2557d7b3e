# SPDX-License-Identifier: BSD-2-Clause
"""kamctl: what it asks the running server, and how it behaves when there is none."""
import json
import os
import select
import subprocess

import pytest
from sipua.server import build_dir

CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
auto_aliases=no
alias="example.org"
children=2
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "usrloc.so"
modparam("usrloc", "use_domain", 1)
loadmodule "jsonrpcs.so"
loadmodule "ctl.so"
request_route {
	sl_send_reply("200", "Ready");
}
"""
pytestmark = pytest.mark.viaduct_only("our own tool")


def kamctl(rundir, *words, stdin=""):
    """Runs the tool; (exit code, stdout, stderr)."""
    command = [os.path.join(build_dir(), "utils", "kamctl"), "--rc", "/dev/null", "--set", "SIP_DOMAIN=example.org",
               "--set", "RPCFIFOPATH=%s/kamailio_rpc.fifo" % rundir, "--set", "CTLSOCKET=%s/kamailio_ctl" % rundir]
    done = subprocess.run(command + list(words), input=stdin, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def ask(server):
    def run(*words):
        code, out, err = kamctl(server.rundir, *words)
        assert code == 0, err
        return json.loads(out)["result"]
    return run


def contacts(result):
    return [contact["Contact"]["Address"] for contact in result["Contacts"]]


def test_bindings_are_added_shown_and_removed(ask, server):
    ask("ul", "add", "alice", "sip:alice@127.0.0.9:5070")
    ask("ul", "add", "alice@example.org", "sip:alice@127.0.0.9:5071", "300")
    assert sorted(contacts(ask("ul", "show", "alice"))) == ["sip:alice@127.0.0.9:5070", "sip:alice@127.0.0.9:5071"]
    assert "alice@example.org" in json.dumps(ask("ul", "show"))
    assert kamctl(server.rundir, "online") == (0, "alice@example.org\n", "")
    assert json.loads(kamctl(server.rundir, "--json", "online")[1]) == [{"AoR": "alice@example.org"}]
    ask("ul", "rm", "alice", "sip:alice@127.0.0.9:5071")
    assert contacts(ask("ul", "show", "alice")) == ["sip:alice@127.0.0.9:5070"]
    ask("ul", "rm", "alice")
    code, out, _ = kamctl(server.rundir, "ul", "show", "alice")
    assert code == 1 and "error" in json.loads(out)


@pytest.mark.parametrize("words", [("uptime",), ("ps",), ("psa",), ("stats",), ("stats", "usrloc"), ("srv", "sockets"),
                                   ("srv", "aliases"), ("srv", "rpclist"), ("srv", "modules"), ("srv", "version"),
                                   ("srv", "debug"), ("rpc", "core.version"), ("fifo", "core.version")])
def test_views(ask, words):
    assert ask(*words)


def test_parameters_are_numbers_unless_marked(tmp_path):
    fifo = tmp_path / "kamailio_rpc.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    process = subprocess.Popen(
        [os.path.join(build_dir(), "utils", "kamctl"), "--rc", "/dev/null", "--set", "RPCFIFOPATH=%s" % fifo,
         "rpc", "core.echo", "1", "s:1", "1.5", "007", "-3", "a b'\"\\"], stdout=subprocess.PIPE, text=True)
    assert select.select([reader], [], [], 10)[0]
    request = json.loads(os.read(reader, 65536))
    assert request["params"] == [1, "1", 1.5, "007", -3, "a b'\"\\"]
    answer = '{"jsonrpc": "2.0", "result": "done", "id": %d}' % request["id"]
    writer = os.open("/tmp/" + request["reply_name"], os.O_WRONLY)
    for part in answer[:9], answer[9:]:
        os.write(writer, part.encode())
    os.close(writer)
    os.close(reader)
    assert process.communicate(timeout=10)[0] == answer + "\n" and process.returncode == 0


def test_ping_asks_by_options(server, agent):
    bob = agent("bob")
    process = subprocess.Popen(
        [os.path.join(build_dir(), "utils", "kamctl"), "--rc", "/dev/null", "--set",
         "RPCFIFOPATH=%s/kamailio_rpc.fifo" % server.rundir, "ping", "sip:bob@%s:%d" % bob.address],
        stdout=subprocess.PIPE, text=True)
    bob.reply(bob.expect_request("OPTIONS"), 200)
    assert "200" in process.communicate(timeout=10)[0]
    assert process.returncode == 0


def test_monitor_shows_once_in_a_pipe(server):
    code, out, _ = kamctl(server.rundir, "monitor")
    assert code == 0 and "Shared memory:" in out and out.count("cycle #") == 1


def test_kamcmd_is_at_hand(server):
    code, out, _ = kamctl(server.rundir, "kamcmd", "core.echo", "hello")
    assert code == 0 and out.strip() == "hello"


def test_no_server(tmp_path):
    code, _, err = kamctl(tmp_path, "ul", "show")
    assert code == 2 and "No such file" in err and "jsonrpcs" in err
    os.mkfifo(tmp_path / "kamailio_rpc.fifo")
    code, _, err = kamctl(tmp_path, "uptime")
    assert code == 2 and "not running" in err
    os.unlink(tmp_path / "kamailio_rpc.fifo")
    (tmp_path / "kamailio_rpc.fifo").write_text("")
    assert "not a FIFO" in kamctl(tmp_path, "uptime")[2]


@pytest.mark.parametrize("words, message", [
    (("nonsense",), "no command 'nonsense'"),
    (("ul", "nonsense"), "invalid command 'nonsense'"),
    (("ul", "add", "alice"), "too few parameters"),
    (("uptime", "now"), "too many parameters"),
    (("--nonsense",), "no option --nonsense"),
    (("--set", "NONSENSE=1"), "no setting NONSENSE"),
    (("srv", "debug", "much"), "no level"),
    (("address", "add", "x", "1.2.3.4"), "is not a number"),
    (("address", "add", "1", "1.2.3"), "is not an IP address"),
    (("address", "add", "1", "1.2.3.4", "33"), "too long"),
    (("--set", "DBENGINE=ORACLE", "show", "alice"), "DBENGINE=ORACLE"),
    (("--set", "SIP_DOMAIN=", "ul", "show", "alice"), "domain of \"alice\" is not known"),
])
def test_wrong_usage(tmp_path, words, message):
    code, _, err = kamctl(tmp_path, *words)
    assert code == 3 and message in err


def test_kamctlrc_is_read_not_run(tmp_path):
    (tmp_path / "rc").write_text('# comment\nSIP_DOMAIN="exa""mple".org\nexport DBNAME=\'a$b\'; DBHOST=x-$SIP_DOMAIN-${DBNAME}\n'
                                 'touch %s/ran\nACL_GROUPS="one\\\n two"\n' % tmp_path)
    command = [os.path.join(build_dir(), "utils", "kamctl"), "--rc", str(tmp_path / "rc")]
    done = subprocess.run(command + ["--set", "RPCFIFOPATH=%s/none" % tmp_path, "ul", "show"], capture_output=True, text=True)
    assert "rc:4: not NAME=value" in done.stderr and not (tmp_path / "ran").exists()


def test_help_is_complete(tmp_path):
    code, out, _ = kamctl(tmp_path, "--help")
    assert code == 0
    for family in ("add", "passwd", "acl", "address", "trusted", "dispatcher", "domain", "dialplan", "lcr", "cr", "mtree",
                   "speeddial", "alias_db", "avp", "db", "acc", "ul", "online", "monitor", "ping", "stats", "srv", "rpc"):
        assert "\n -- command '%s" % family in out
    assert kamctl(tmp_path, "ul", "--help")[0] == 0
    assert "SIP_DOMAIN" in kamctl(tmp_path, "--settings")[1]


def test_version_as_json(tmp_path):
    code, out, _ = kamctl(tmp_path, "version", "--json")
    assert code == 0 and json.loads(out)["program"] == "kamctl"
    assert json.loads(out)["version"] == kamctl(tmp_path, "version")[1].split()[1]


# ---- certificates ----
def tls(tmp_path, *words, **settings):
    command = [os.path.join(build_dir(), "utils", "kamctl"), "--rc", "/dev/null"]
    for name, value in settings.items():
        command += ["--set", "%s=%s" % (name, value)]
    done = subprocess.run(command + ["tls", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def openssl(*words):
    return subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=30).stdout


def test_a_certificate_to_try_out(tmp_path):
    assert tls(tmp_path, "gen-certs", SIP_DOMAIN="sip.example.org")[0] == 0
    key, certificate = tmp_path / "kamailio-selfsigned.key", tmp_path / "kamailio-selfsigned.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    shown = openssl("x509", "-in", str(certificate), "-noout", "-subject", "-ext", "subjectAltName")
    assert "CN = sip.example.org" in shown and "DNS:sip.example.org" in shown
    before = key.read_bytes()
    code, said = tls(tmp_path, "gen-certs")
    assert code == 1 and "is there already" in said and key.read_bytes() == before


def test_an_authority_and_its_users(tmp_path):
    code, said = tls(tmp_path, "userCERT", "bob", "ca")
    assert code == 1 and "kamctl tls rootCA ca" in said
    assert tls(tmp_path, "rootCA", STARTUP_CONFIG_FILE=str(tmp_path / "server.cfg"))[0] == 0
    root = tmp_path / "tls" / "rootCA"
    assert (root / "private" / "cakey.pem").stat().st_mode & 0o777 == 0o600
    assert tls(tmp_path, "rootCA", "tls")[0] == 1
    for user, name in (("bob@example.org", "URI:sip:bob@example.org"), ("edge.example.org", "DNS:edge.example.org")):
        assert tls(tmp_path, "userCERT", user, "tls")[0] == 0
        own = tmp_path / "tls" / user / user
        assert ": OK" in openssl("verify", "-CAfile", "%s-calist.pem" % own, "%s-cert.pem" % own)
        assert name in openssl("x509", "-in", "%s-cert.pem" % own, "-noout", "-ext", "subjectAltName")
        assert os.stat("%s-privkey.pem" % own).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["../x", "a b", "x,DNS:y", "/CN=z", "$(id)", "-x", "a" * 65, "", "o'b", "a\nb"])
def test_names_that_no_certificate_gets(tmp_path, name):
    assert tls(tmp_path, "gen-certs", name)[0] == 3 and tls(tmp_path, "userCERT", name, ".")[0] in (1, 3)
    assert os.listdir(tmp_path) == []


# ---- completion of shells ----
def complete(line):
    """What bash offers behind the line."""
    here = os.path.dirname(os.path.abspath(__file__))
    script = os.path.join(here, "..", "..", "etc", "completion", "viaduct.bash")
    utils = os.path.join(build_dir(), "utils")
    words = line.split(" ")
    text = ('source "%s"; PATH="%s:%s:$PATH"; COMP_WORDS=(%s); COMP_CWORD=%d; %s %s; printf "%%s\\n" "${COMPREPLY[@]}"'
            % (script, utils, build_dir(), " ".join('"%s"' % word for word in words), len(words) - 1,
               {"kamdbctl": "_kamctl"}.get(words[0], "_" + words[0]), words[0]))
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, timeout=20)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes():
    assert {"add", "address", "acl"} <= set(complete("kamctl a"))
    assert set(complete("kamctl address r")) == {"reload", "rm"}
    assert complete("kamctl --json --rc x address sh") == ["show"]
    assert complete("kamctl --se") == ["--set", "--settings"]
    assert complete("kamdbctl ba") == ["backup"] and complete("kamdbctl backup x") == []
    assert "--cfg-print" in complete("viaduct --c")
    assert complete("kamcmd --h") == ["--help"]


@pytest.mark.parametrize("tool, words", [("kamcmd", ["--help"]), ("kamcmd", ["-h"]), ("kamctl", ["--help"]),
                                         ("kamctl", ["add", "--help"]), ("kamdbctl", ["--help"]),
                                         ("kamdbctl", ["create", "--help"]), ("kamdbctl", ["backup", "--help"])])
def test_every_level_has_help(tool, words):
    done = subprocess.run([os.path.join(build_dir(), "utils", tool), *words], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stderr == "" and len(done.stdout.splitlines()) > 1
