# SPDX-License-Identifier: BSD-2-Clause
"""db_cluster: who is read, who is written to, and what happens when a database is away."""
import os
import sqlite3
import time

import pytest

from sipua.probe import Probe


class Cluster:
    """SQLite files a, b, c, each with a table `place` that holds its name, behind a cluster."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.paths = {}
        for name in "abc":
            self.paths[name] = os.path.join(self.directory, name + ".db")
            self.make(name)

    def make(self, name):
        connection = sqlite3.connect(self.paths[name])
        connection.executescript("CREATE TABLE place (name TEXT); CREATE TABLE note (text TEXT);"
                                 "INSERT INTO place VALUES ('%s')" % name)
        connection.close()

    def remove(self, name):
        for file in os.listdir(self.directory):
            if file.startswith(name + ".db"):
                os.unlink(os.path.join(self.directory, file))

    def notes(self, name):
        with sqlite3.connect(self.paths[name]) as connection:
            return connection.execute("SELECT COUNT(*) FROM note").fetchone()[0]

    def open(self, members, *settings):
        arguments = ["load=sqlite:///" + self.paths["a"]]
        arguments += ["connection=%s=>sqlite:///%s" % item for item in self.paths.items()]
        return Probe("cluster://k", self.directory, *arguments, *settings, "cluster=k=>" + members)


@pytest.fixture
def cluster(tmp_path):
    return Cluster(tmp_path)


def readers(probe, count):
    """Which files answered."""
    found = []
    for _ in range(count):
        for name in "abc":
            if probe.ask("run SELECT 1 FROM place WHERE name = '%s'" % name).split()[1] == "1":
                found.append(name)
    return found


def test_the_highest_priority_is_read(cluster):
    probe = cluster.open("a=5s5s;b=9s9s;c=1s1s")
    assert set(readers(probe, 4)) == {"b"}
    probe.close()


def test_round_robin_reads_take_turns(cluster):
    probe = cluster.open("a=9r9s;b=9r9s;c=1s1s")
    assert set(readers(probe, 12)) == {"a", "b"}
    probe.close()


def test_reads_fail_over_and_come_back(cluster):
    probe = cluster.open("a=9s9s;b=8s8s", "inactive_interval=0")
    assert set(readers(probe, 2)) == {"a"}
    cluster.remove("a")
    assert set(readers(probe, 2)) == {"b"}
    cluster.make("a")
    probe.wait_until("done")
    deadline = time.monotonic() + 10
    while set(readers(probe, 1)) != {"a"}:
        assert time.monotonic() < deadline
    probe.close()


def test_parallel_writes_go_to_all_of_the_priority(cluster):
    probe = cluster.open("a=9s9p;b=9s9p;c=1s1p")
    assert probe.run("INSERT INTO note VALUES ('x')")[0] == "done"
    assert [cluster.notes(name) for name in "abc"] == [1, 1, 0]
    probe.close()


def test_serial_writes_go_to_one(cluster):
    probe = cluster.open("a=9s9s;b=9s9s")
    assert probe.run("INSERT INTO note VALUES ('x')")[0] == "done"
    assert [cluster.notes(name) for name in "abc"] == [1, 0, 0]
    probe.close()


def test_nobody_there_is_away(cluster):
    probe = cluster.open("a=9s9s;b=9s9s")
    cluster.remove("a")
    cluster.remove("b")
    assert probe.run()[0] == "away"
    probe.close()


def test_a_refused_statement_is_not_tried_elsewhere(cluster):
    probe = cluster.open("a=9s9s;b=8s8s")
    assert probe.run("SELECT nosuch FROM place")[0] == "rejected"
    assert set(readers(probe, 2)) == {"a"}
    probe.close()


@pytest.mark.parametrize("members,words", [
    ("a=9s", "priority and mode"), ("d=9s9s", "names a connection"), ("a=9p9p", "priority and mode"),
    ("", "expects name=>")])
def test_a_wrong_cluster_is_explained(cluster, members, words):
    probe = cluster.open(members)
    probe.process.wait(10)
    assert words in probe.log()
