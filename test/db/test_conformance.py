# SPDX-License-Identifier: BSD-2-Clause
"""What every database driver must do (conformance.c), on real databases."""
import os
import subprocess

import pytest

from sipua.server import build_dir


def conformance(url, *more):
    program = os.path.join(build_dir(), "test/db/conformance")
    if not os.path.exists(program):
        pytest.skip("make tests builds it")
    done = subprocess.run([program, url] + list(more), capture_output=True, text=True, timeout=100)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert "[  FAILED  ]" not in text and "[  PASSED  ]" in text, text
    return text


def test_sqlite(tmp_path):
    (tmp_path / "test.sqlite").touch()
    conformance("sqlite:///%s/test.sqlite" % tmp_path)


def test_mariadb(mariadb):
    conformance(mariadb.create("conformance"))


def test_mariadb_by_its_socket(mariadb):
    mariadb.create("conformance")
    conformance(mariadb.socket_url("conformance"))


def test_postgres(postgres):
    conformance(postgres.create("conformance"))


def test_postgres_by_its_socket(postgres):
    postgres.create("conformance")
    conformance(postgres.socket_url("conformance"))


def test_text(tmp_path):
    (tmp_path / "contact").write_text("id(int,auto) name(string) big(int,null) q(double,null) "
                                      "expires(int,null) body(string,null) text(string,null)\n")
    conformance("text://%s" % tmp_path)


def test_cluster(tmp_path):
    """One SQLite file behind a cluster of one."""
    (tmp_path / "a.sqlite").touch()
    url = "sqlite:///%s/a.sqlite" % tmp_path
    conformance("cluster://all", "load=" + url, "connection=a=>" + url, "cluster=all=>a=9s9p")
