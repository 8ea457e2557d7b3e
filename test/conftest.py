# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the scenario tests; test/README.md explains how a scenario is written.

A module of scenarios holds its configuration in CONFIG and asks for the fixture `server` (one
for the module) or `start_server` (as many as it likes); `agent` makes user agents.
"""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "sip"))

from sipua import Agent  # noqa: E402
from sipua.databases import MariaDb, Postgres  # noqa: E402
from sipua.stream import StreamAgent  # noqa: E402
from sipua.server import Server, find_program, stop_all  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--server", default="viaduct", choices=("viaduct", "kamailio", "both"),
                     help="which server runs the scenarios (kamailio: is the scenario right?)")


def pytest_generate_tests(metafunc):
    if "program" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("server")
        names = ("viaduct", "kamailio") if chosen == "both" else (chosen,)
        # Indirect: else pytest numbers the rows of every test and orders by that number, so that
        # fixtures with parameters are made anew for each row.
        metafunc.parametrize("program", names, scope="module", indirect=True)


def longest_first(items):
    """Files that take long begin first (test/longest.txt), so that none of them ends alone."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "longest.txt")) as listing:
        names = [line.strip() for line in listing if line.strip() and line[0] != "#"]
    ranks = {name: rank for rank, name in enumerate(names)}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))


def pytest_collection_modifyitems(items):
    longest_first(items)
    for item in items:
        marker = item.get_closest_marker("viaduct_only")
        program = getattr(item, "callspec", None) and item.callspec.params.get("program")
        if marker and program == "kamailio":
            item.add_marker(pytest.mark.skip(reason=marker.args[0]))


@pytest.fixture(scope="module")
def program(request):
    """The name of the server that is tested: "viaduct", or with --server "kamailio"."""
    return request.param


@pytest.fixture(scope="module")
def launch(program, request):
    """Starts servers; stops them at the end of the module."""
    if not find_program(program):
        pytest.skip("%s is not there" % program)
    running = []

    def start(config, **kwargs):
        running.append(Server(config, program, **kwargs))
        running[-1].allow(*getattr(request.module, "ALLOWED", ()))
        return running[-1]
    yield start
    stop_all(running)


@pytest.fixture(scope="module")
def server(launch, request):
    """The server of this module, running the module's CONFIG."""
    return launch(request.module.CONFIG, **getattr(request.module, "SERVER", {}))


@pytest.fixture
def start_server(program, request):
    """Starts servers that live as long as one test."""
    if not find_program(program):
        pytest.skip("%s is not there" % program)
    running = []

    def start(config, **kwargs):
        running.append(Server(config, program, **kwargs))
        running[-1].allow(*getattr(request.module, "ALLOWED", ()))
        return running[-1]
    yield start
    stop_all(running)


@pytest.fixture
def agent(request, program):
    """Makes user agents: agent("alice") speaks to the module's server by default."""
    made = []

    def make(user, server=None, host=None, **kwargs):
        if server is None:
            server = request.getfixturevalue("server")
        address = server.address6 if host and ":" in host else server.address
        made.append(Agent(user, host or "127.0.0.1", server=address, **kwargs))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def stream_agent(request, program):
    """Makes user agents that speak TCP: stream_agent("alice")."""
    made = []

    def make(user, server=None, **kwargs):
        address = (server or request.getfixturevalue("server")).address
        made.append(StreamAgent(user, server=address, **kwargs))
        return made[-1]
    yield make
    for one in made:
        one.close()


def database_server(kind):
    if not kind.is_there():
        pytest.skip("%s is not there" % kind.__name__)
    server = kind()
    yield server
    server.close()


@pytest.fixture(scope="session")
def mariadb():
    """A MariaDB server of this session; mariadb.create("name") gives the URL of an empty database."""
    yield from database_server(MariaDb)


@pytest.fixture(scope="session")
def postgres():
    """The same with PostgreSQL."""
    yield from database_server(Postgres)
