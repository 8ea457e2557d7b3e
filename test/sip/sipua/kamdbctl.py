# SPDX-License-Identifier: BSD-2-Clause
"""Debian's kamdbctl, without its questions; and our own tools."""
import glob
import json
import os
import shutil
import subprocess

from .databases import PASSWORD
from .server import build_dir

KAMDBCTL = shutil.which("kamdbctl", path="/usr/sbin:/usr/bin")
RC = """SIP_DOMAIN=test.invalid
DBENGINE=%(engine)s
DBHOST=%(host)s
DBPORT=%(port)s
DBNAME=theirs
DB_PATH=%(path)s
DBRWUSER=kamailio
DBRWPW=kamailiorw
DBROUSER=kamailioro
DBROPW=kamailioro
DBACCESSHOST=127.0.0.1
DBROOTUSER=%(user)s
DBROOTPW=%(password)s
CHARSET=utf8
INSTALL_EXTRA_TABLES=yes
INSTALL_PRESENCE_TABLES=yes
INSTALL_DBUID_TABLES=yes
DBINITASK=no
"""


def run_kamdbctl(home, engine, host="", port=0, path="", user=""):
    """Debian's kamdbctl creates everything that it knows."""
    home.mkdir(exist_ok=True)
    (home / ".kamctlrc").write_text(RC % {"engine": engine, "host": host, "port": port, "path": path,
                                          "user": user, "password": PASSWORD})
    pgpass = home / ".pgpass"
    pgpass.write_text("%s:%s:*:%s:%s\n" % (host, port, user, PASSWORD))
    pgpass.chmod(0o600)
    environment = dict(os.environ, HOME=str(home), PW=PASSWORD)
    # The psql in PATH is a script that finds one of these, and costs four times as much.
    environment["PATH"] = ":".join(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1:]
                                   + [environment["PATH"]])
    done = subprocess.run([KAMDBCTL, "create"], env=environment,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr


class Tool:
    """Runs the two tools with a kamctlrc of their own."""

    def __init__(self, directory, engine, **settings):
        self.rc = os.path.join(directory, "kamctlrc")
        self.settings = dict(DBENGINE=engine, SIP_DOMAIN="example.org", INSTALL_EXTRA_TABLES="yes",
                             INSTALL_PRESENCE_TABLES="no", INSTALL_DBUID_TABLES="no", DBINITASK="no",
                             RPCFIFOPATH=os.path.join(directory, "no-fifo"), **settings)
        with open(self.rc, "w") as out:
            for name, value in self.settings.items():
                out.write('%s="%s"\n' % (name, value))

    def run(self, program, *words, stdin=""):
        done = subprocess.run([os.path.join(build_dir(), "utils", program), "--rc", self.rc] + list(words),
                              input=stdin, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def ctl(self, *words, code=0, stdin=""):
        got, out, err = self.run("kamctl", *words, stdin=stdin)
        assert got == code, "%s: %s%s" % (words, out, err)
        return out + err

    def rows(self, *words):
        return json.loads(self.ctl("--json", *words))

    def db(self, *words, code=0):
        got, out, err = self.run("kamdbctl", *words)
        assert got == code, "%s: %s%s" % (words, out, err)
        return out + err
