# SPDX-License-Identifier: BSD-2-Clause
"""No password, HA1, secret of nonces or database URL in anything that the server writes: logs at debug
level, complaints about the configuration, crash files."""
import glob
import os
import signal
import subprocess
import time

import pytest
from settings import PROXY, RELAY, START, head
from sipua.digest import answer_challenge, hasher
from sipua.server import find_program
from subscribers import Tables

PASSWORD, OTHER, IN_SCRIPT = "pw-Geheimnis17", "pw-Verborgen18", "pw-ImSkript19"
NONCE_SECRET, URL_PASSWORD = "nonce-Schluessel20", "db-Kennwort21"
REALM = "example.org"
SPIN = """
	if (is_present_hf("X-Spin")) {
		$var(i) = 0;
		while ($var(i) < 2000000000) $var(i) = $var(i) + 1;
	}
	setflag(1);
	if (is_method("PUBLISH")) {
		if (!pv_www_authenticate("%(realm)s", "%(password)s", "0")) www_challenge("%(realm)s", "0");
		else sl_send_reply("200", "OK");
		exit;
	}
	if (is_method("REGISTER") && !www_authorize("%(realm)s", "subscriber")) {
		www_challenge("%(realm)s", "0");
		exit;
	}
""" % {"realm": REALM, "password": IN_SCRIPT}
ALLOWED = [r"was killed by signal|shard \d+ was repaired|Segmentation|db_mysql|acc|connect",
           "AddressSanitizer"]  # it reports the signal that a test sends
pytestmark = pytest.mark.viaduct_only("the peer shows them at debug level")


def config(tables):
    url = '"%s"' % tables.url
    return ("max_while_loops=1000000000\n"
            + head(tables.module, "ctl", "jsonrpcs", "auth", "auth_db", "acc", auth_db__db_url=url,
                   auth__secret='"%s"' % NONCE_SECRET, usrloc__db_url=url, usrloc__db_mode=1,
                   auth_db__load_credentials='"$avp(pw)=password;$avp(ha1)=ha1"', acc__log_flag=1,
                   acc__db_url=url, acc__db_flag=1).replace("debug=2", "debug=5")
            + PROXY.replace(START, START + SPIN) + RELAY)


@pytest.fixture
def tables(request, tmp_path):
    os.chmod(tmp_path, 0o777)
    made = Tables("sqlite", request, tmp_path)
    made.add_subscriber("alice", REALM, PASSWORD)
    made.add_subscriber("bob", REALM, OTHER)
    return made


def secrets_of(tables):
    h = hasher("MD5")
    known = (("alice", PASSWORD), ("bob", OTHER), ("alice", IN_SCRIPT))
    return ([PASSWORD, OTHER, IN_SCRIPT, NONCE_SECRET, tables.url]
            + [h("%s:%s:%s" % (user, REALM, password)) for user, password in known]
            + [h("%s@%s:%s:%s" % (user, REALM, REALM, password)) for user, password in known])


def log_in(agent, server, method, password, **kwargs):
    """(reply, digest) of a request that answers the challenge."""
    request = agent.send(agent.request(method, "sip:" + REALM, **kwargs), server.address)
    challenge = agent.expect_reply(401, request)["WWW-Authenticate"]
    credentials = answer_challenge(challenge, method, "sip:" + REALM, agent.user, password)
    headers = kwargs.pop("headers", []) + [("Authorization", credentials)]
    request = agent.send(agent.request(method, "sip:" + REALM, headers=headers, **kwargs), server.address)
    return agent.expect_reply((200, 401), request), credentials


def crash(agent, server, credentials):
    """A worker dies by a signal while it works on a request with credentials; the path of its file."""
    workers = [row["pid"] for row in server.rpc("core.psa") if row["description"].startswith("worker")]
    before = {pid: busy(pid) for pid in workers}
    agent.send(agent.request("OPTIONS", server.uri("x"), headers=[("X-Spin", "yes"),
                                                                  ("Authorization", credentials)]))
    deadline = time.monotonic() + 20
    while True:
        assert time.monotonic() < deadline, "nobody spins"
        time.sleep(0.02)
        spinning = [pid for pid in workers if busy(pid) - before[pid] > 0.05]
        if spinning:
            break
    os.kill(max(spinning, key=lambda pid: busy(pid) - before[pid]), signal.SIGSEGV)
    return server.wait_log(r"what is known about it is in (\S+)").group(1)


def busy(pid):
    with open("/proc/%d/schedstat" % pid) as times:
        return int(times.read().split()[0]) / 1e9


def shown(text, secrets):
    return [line for line in text.splitlines() if any(secret in line for secret in secrets)]


def test_nothing_secret_is_written_at_debug_level(agent, start_server, tables):
    server = start_server(config(tables))
    alice, bob = agent("alice", server), agent("bob", server)
    for user, password in ((alice, PASSWORD), (bob, OTHER), (alice, "wrong-" + PASSWORD)):
        reply, credentials = log_in(user, server, "REGISTER", password,
                                    to="<sip:%s@%s>" % (user.user, REALM), contact=user.contact)
        assert reply.status == (401 if password.startswith("wrong") else 200)
    assert log_in(alice, server, "PUBLISH", IN_SCRIPT)[0].status == 200
    request = alice.send(alice.request("MESSAGE", "sip:bob@" + REALM), server.address)
    bob.reply(bob.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, request)
    server.wait_log("ACC: transaction answered")
    for command in ("ul.dump", "core.info", "core.modules", "tm.stats", "core.shmmem"):
        server.rpc(command)
    kept = crash(bob, server, credentials)
    secrets = secrets_of(tables)
    log = server.log()
    assert "DEBUG" in log                           # the level is what this test is about
    assert not shown(log, secrets)
    files = [path for path in glob.glob(os.path.join(server.rundir, "*")) if os.path.isfile(path)]
    assert kept in files
    for path in files:
        with open(path, errors="replace") as file:
            assert not shown(file.read(), secrets + [credentials.rpartition("response=")[2].strip('"')]), path


URL = "mysql://viaduct:%s@127.0.0.1:1/nothing" % URL_PASSWORD
WRONG = {
    "nobody listens": 'modparam("auth_db", "db_url", "%s")' % URL,
    "no driver": 'modparam("auth_db", "db_url", "%s")' % URL.replace("mysql", "oracle"),
    "no scheme": 'modparam("auth_db", "db_url", "%s")' % URL.replace("mysql://", "mysql:"),
    "misspelt parameter": 'modparam("auth_db", "db_ulr", "%s")' % URL,
    "misspelt module": 'modparam("auth_bd", "db_url", "%s")' % URL,
    "no closing bracket": 'modparam("auth_db", "db_url", "%s"' % URL,
    "port is no number": 'modparam("auth_db", "db_url", "%s")' % URL.replace(":1/", ":one/"),
    "no closing quote": 'modparam("auth_db", "db_url", "%s)' % URL,
    "in a define": '#!define DBURL "%s"\nmodparam("auth_db", "db_ulr", DBURL)' % URL,
    "secret of nonces": 'modparam("auth", "secrett", "%s")' % NONCE_SECRET,
    "password in the script": 'route[X] { pv_www_authentcate("r", "%s", "0"); }' % IN_SCRIPT,
    "slash in the password": 'modparam("auth_db", "db_url", "%s")' % URL.replace("Kennwort", "/Kennwort"),
}


@pytest.mark.parametrize("what", WRONG, ids=lambda what: what.replace(" ", "-"))
def test_complaints_about_the_configuration_show_no_secret(tmp_path, program, what):
    binary, modules = find_program(program)
    path = tmp_path / "wrong.cfg"
    path.write_text(head("db_mysql", "auth", "auth_db").replace("debug=2", "debug=5") + WRONG[what]
                    + "\nrequest_route {\n\tif (!www_authorize(\"x\", \"subscriber\")) exit;\n}\n")
    found = subprocess.run([binary, "-f", str(path), "-L", modules, "-DD", "-E", "-Y", str(tmp_path),
                            "-l", "udp:127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, timeout=20)
    assert found.returncode != 0 and found.stdout
    assert not shown(found.stdout, [URL_PASSWORD, URL_PASSWORD[3:], NONCE_SECRET, IN_SCRIPT])
