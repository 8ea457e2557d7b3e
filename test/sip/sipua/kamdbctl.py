# SPDX-License-Identifier: BSD-2-Clause
"""Debian's kamdbctl, without its questions."""
import os
import shutil
import subprocess

from .databases import PASSWORD

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
    done = subprocess.run([KAMDBCTL, "create"], env=dict(os.environ, HOME=str(home), PW=PASSWORD),
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
