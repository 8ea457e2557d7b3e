# SPDX-License-Identifier: BSD-2-Clause
"""Throw-away database servers: the real MariaDB and PostgreSQL on a loopback address of their own.

A data directory is made once and kept below var/ as a template; a server starts from a copy of it and
never waits for the disk, so that starting takes a fraction of a second. Root lends the servers an
account of their own.
"""
import fcntl
import glob
import hashlib
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

from . import sql_clients
from .preload import helper
from .server import ROOT, free_address

START_SECONDS = 30
PASSWORD = "throw-away"


def find(name, *patterns):
    """The path of a program, also of one that is in no PATH."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    for pattern in patterns:
        found = found or (sorted(glob.glob(os.path.join(pattern, name))) or [None])[-1]
    return found


def account(*names):
    """Who runs the server: None (us) unless we are root."""
    if os.getuid() != 0:
        return None
    for name in names + ("nobody",):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    return None


def give(path, user):
    """Gives a directory and everything below it to the account."""
    if user:
        subprocess.run(["chown", "-hR", "%d:%d" % (user.pw_uid, user.pw_gid), path], check=True)


def copy_tree(source, target):
    """As it is, owners included; a program, because a thousand files cost Python a second."""
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)


def schema(folder, groups):
    """The SQL of etc/schema for the groups ("auth_db", "usrloc"), and of the table `version`."""
    text = ""
    for group in ("standard",) + tuple(groups):
        with open(os.path.join(ROOT, "etc", "schema", folder, group + "-create.sql")) as source:
            text += source.read()
    return text


def sqlite_create(path, *groups):
    """A database file with the tables of the groups; its URL."""
    with sqlite3.connect(path) as connection:
        connection.executescript(schema("db_sqlite", groups))
    connection.close()
    return "sqlite:///" + os.path.abspath(path)


class Database:
    """What the two have in common. `address` is (host, port); `socket_path` a local socket."""
    accounts = ()
    create_options = ""
    scheme = None

    def __init__(self):
        self.user = account(*self.accounts)
        self.directory = tempfile.mkdtemp(prefix="vd-%s-" % self.scheme)
        os.chmod(self.directory, 0o755)
        self.data = os.path.join(self.directory, "data")
        self.log_path = os.path.join(self.directory, "log")
        self.process = None
        self.address = self.free_tcp_address()
        give(self.directory, self.user)
        copy_tree(self.template(), self.data)
        self.start()

    @staticmethod
    def free_tcp_address():
        while True:
            address = free_address()
            with socket.socket() as probe:
                try:
                    probe.bind(address)
                    return address
                except OSError:
                    pass

    # ---- the template ----
    def template(self):
        """The path of a fresh data directory, made the first time."""
        key = hashlib.sha256(repr(self.recipe("", "")).encode() + self.version()).hexdigest()[:12]
        place = os.path.join(ROOT, "var", "databases")
        os.makedirs(place, exist_ok=True)
        ready = os.path.join(place, "%s-%s" % (self.scheme, key))
        with open(ready + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.isdir(ready):
                self.make_template(ready)
        return ready

    def make_template(self, ready):
        making = tempfile.mkdtemp(prefix="vd-%s-template-" % self.scheme)
        data = os.path.join(making, "data")
        os.mkdir(data, 0o700)
        secret = os.path.join(making, "password")
        with open(secret, "w") as out:
            out.write(PASSWORD + "\n")
        os.chmod(making, 0o755)
        give(making, self.user)
        self.run(self.recipe(data, secret))
        copy_tree(data, ready + ".new")
        os.rename(ready + ".new", ready)
        shutil.rmtree(making)

    def version(self):
        return subprocess.run([self.binary, "--version"], capture_output=True, check=True).stdout

    def run(self, command, **kwargs):
        done = subprocess.run(command, capture_output=True, text=True, cwd="/",
                              **self.as_user(), **kwargs)
        assert done.returncode == 0, "%s:\n%s%s" % (command, done.stdout, done.stderr)
        return done.stdout

    def as_user(self):
        environment = dict(os.environ, HOME=self.directory, LD_PRELOAD=helper("no_sync"))
        if not self.user:
            return {"env": environment}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": [],
                "env": environment}

    # ---- life ----
    def start(self):
        """Starts the server and waits until it answers."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd="/",
                                            stdin=subprocess.DEVNULL, start_new_session=True,
                                            **self.as_user())
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < deadline, \
                "%s did not start:\n%s" % (self.scheme, self.log())
            time.sleep(0.02)

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()[-3000:]

    def stop(self):
        """Stops the server at once; the data stay."""
        if self.process:
            self.thaw()
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def pids(self):
        """The server and its children, which may have sessions of their own."""
        me = self.process.pid
        found = []
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(stat) as text:
                    pid, _, rest = text.read().partition(" (")
            except OSError:
                continue
            if int(pid) == me or int(rest.rpartition(") ")[2].split()[1]) == me:
                found.append(int(pid))
        return found

    def signal_all(self, number):
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:  # one of its helpers has just ended
                continue

    def threads_that_run(self):
        states = []
        for pid in self.pids():
            for stat in glob.glob("/proc/%d/task/*/stat" % pid):
                with open(stat) as text:
                    states.append(text.read().rpartition(") ")[2].split()[0])
        return [state for state in states if state != "T"]

    def freeze(self):
        """The server answers no more, but its connections stay."""
        self.signal_all(signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while self.threads_that_run():              # a thread stops when it is scheduled next
            assert time.monotonic() < deadline, "the database does not stop"
            time.sleep(0.001)

    def thaw(self):
        self.signal_all(signal.SIGCONT)

    def close(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- use ----
    def url(self, database, user=None, password=PASSWORD):
        return "%s://%s:%s@%s:%d/%s" % (self.scheme, user or self.root, password,
                                        self.address[0], self.address[1], database)

    def socket_url(self, database):
        return "%s://%s:%s@%s/%s" % (self.scheme, self.root, PASSWORD,
                                     self.socket_path.replace("/", "%2F"), database)

    def create(self, name):
        """An empty database; its URL."""
        self.sql(self.maintenance, "DROP DATABASE IF EXISTS %s" % name)
        self.sql(self.maintenance, "CREATE DATABASE %s%s" % (name, self.create_options))
        return self.url(name)

    def create_tables(self, name, *groups):
        """A database with the tables of the groups ("auth_db", "usrloc" …); its URL."""
        url = self.create(name)
        self.sql(name, schema(self.folder, groups))
        return url


class MariaDb(Database):
    accounts = ("mysql",)
    scheme = folder = "mysql"
    root = "viaduct"
    maintenance = "mysql"
    create_options = " CHARACTER SET utf8mb4"
    stop_signal = signal.SIGTERM
    binary = find("mariadbd") or find("mysqld")
    installer = find("mariadb-install-db") or find("mysql_install_db")
    small = ["--innodb-log-file-size=4M", "--innodb-data-file-path=ibdata1:8M:autoextend",
             "--innodb-autoextend-increment=1", "--innodb-temp-data-file-path=ibtmp1:5M:autoextend",
             "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"]

    @classmethod
    def is_there(cls):
        return bool(cls.binary and cls.installer and sql_clients.LIBMARIADB)

    @property
    def socket_path(self):
        return os.path.join(self.directory, "socket")

    def recipe(self, data, secret):
        return [self.installer, "--no-defaults", "--auth-root-authentication-method=normal",
                "--skip-test-db", "--datadir=" + data] + self.small

    def command(self):
        return [self.binary, "--no-defaults", "--datadir=" + self.data, "--socket=" + self.socket_path,
                "--bind-address=" + self.address[0], "--port=%d" % self.address[1],
                "--pid-file=" + os.path.join(self.directory, "pid"), "--skip-name-resolve",
                # A server that starts removes what others have in a common one.
                "--tmpdir=" + self.directory,
                "--skip-log-bin", "--innodb-buffer-pool-size=64M", "--max-connections=200"] + self.small

    def start(self):
        super().start()
        self.sql("mysql", "CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY '%s'; "
                 "GRANT ALL ON *.* TO %s@'%%' WITH GRANT OPTION"
                 % (self.root, PASSWORD, self.root))

    def answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self.socket_path)
                return True
            except OSError:
                return False

    def sql(self, database, text):
        """Runs statements as the server's root, who has no password; rows as lists of texts."""
        return sql_clients.mariadb_run(self.socket_path, "root", database, text)

    def forget(self, name):
        """Removes a database and the users that kamdbctl makes."""
        users = self.sql("mysql", "SELECT user, host FROM user WHERE user LIKE 'kamailio%'")
        self.sql("mysql", "; ".join(["DROP DATABASE IF EXISTS " + name]
                                    + ["DROP USER '%s'@'%s'" % (user, host) for user, host in users]))


class Postgres(Database):
    accounts = ("postgres",)
    scheme = folder = "postgres"
    root = "postgres"
    maintenance = "postgres"
    stop_signal = signal.SIGINT  # "fast": connections are closed, not waited for
    binary = find("postgres", "/usr/lib/postgresql/*/bin")
    installer = find("initdb", "/usr/lib/postgresql/*/bin")
    create_options = " STRATEGY FILE_COPY"
    settings = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
                "wal_level": "minimal", "max_wal_senders": 0, "autovacuum": "off", "jit": "off",
                "shared_buffers": "16MB", "dynamic_shared_memory_type": "mmap",
                "max_connections": 200, "logging_collector": "off"}

    @classmethod
    def is_there(cls):
        return bool(cls.binary and cls.installer and sql_clients.LIBPQ)

    @property
    def socket_path(self):
        return self.directory

    def recipe(self, data, secret):
        return [self.installer, "-D", data, "-U", "postgres", "--pwfile=" + secret, "--no-sync",
                "--auth-host=scram-sha-256", "--auth-local=trust", "--encoding=UTF8", "--locale=C"]

    def command(self):
        return [self.binary, "-D", self.data, "-h", self.address[0], "-p", str(self.address[1]),
                "-k", self.directory] + [
                    word for item in self.settings.items() for word in ("-c", "%s=%s" % item)]

    def answers(self):
        path = os.path.join(self.directory, ".s.PGSQL.%d" % self.address[1])
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except OSError:
                return False
        return sql_clients.postgres_answers(self.place("postgres"))

    def place(self, database):
        """What libpq wants to know."""
        return "host='%s' port=%d user=postgres dbname='%s' options='-c client_min_messages=warning'" % (
            self.directory, self.address[1], database.replace("\\", "\\\\").replace("'", "\\'"))

    def socket_url(self, database):
        # The name of a PostgreSQL socket has the port in it.
        return "postgres://postgres:%s@%s:%d/%s" % (PASSWORD, self.directory.replace("/", "%2F"),
                                                    self.address[1], database)

    def sql(self, database, text):
        """Runs statements; rows as lists of texts."""
        return sql_clients.postgres_run(self.place(database), text)

    def forget(self, name):
        """Removes a database; its users may stay."""
        self.sql("postgres", "DROP DATABASE IF EXISTS " + name)
