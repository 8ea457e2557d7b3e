# SPDX-License-Identifier: BSD-2-Clause
"""Our server and Debian's kamailio run the stock configuration file, unmodified; the same scenarios
are played against both, and what every user agent saw is compared, header order included.

Skipped by name where kamailio or its configuration file is not installed.
"""
import difflib
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from sipua.server import Server, find_program, stop_all

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from scenarios import SCENARIOS  # noqa: E402
from known import KNOWN  # noqa: E402
from stage import Stage  # noqa: E402

STOCK = "/etc/kamailio/kamailio.cfg"
# What a server may log while the malformed scenarios run.
ALLOWED = [r"ERROR", r"CRITICAL: .*core.*pars"]
LEFT = os.environ.get("COMPARE_LEFT", "kamailio")
THREADS = 8
RIGHT = os.environ.get("COMPARE_RIGHT", "viaduct")

pytestmark = pytest.mark.compare


@pytest.fixture(scope="module")
def played(request):
    """{(scenario, server): future of its traces}. Scenarios are independent of each other, so
    several run at a time against one server of each kind."""
    for name in (LEFT, RIGHT):
        if not find_program(name):
            pytest.skip("%s is not there" % name)
    if not os.path.exists(STOCK):
        pytest.skip("%s is not there" % STOCK)
    chosen = {item.callspec.params["name"] for item in request.session.items
              if item.originalname == "test_same_on_the_wire"}
    running = []
    try:
        for name in (LEFT, RIGHT):
            running.append(Server(STOCK, name))
            running[-1].allow(*ALLOWED)
        with ThreadPoolExecutor(THREADS) as pool:
            yield {(name, side): pool.submit(play, server, name, function)
                   for name, function in SCENARIOS if name in chosen
                   for side, server in enumerate(running)}
    finally:
        stop_all(running)


def play(server, name, function):
    stage = Stage(server, name)
    try:
        return stage.play(function).traces()
    finally:
        stage.close()


@pytest.mark.parametrize("name", [name for name, _ in SCENARIOS])
def test_same_on_the_wire(played, name):
    left, right = (played[name, side].result() for side in (0, 1))
    difference = []
    for label in sorted(set(left) | set(right)):
        difference += difflib.unified_diff(
            blocks(left.get(label, [])), blocks(right.get(label, [])),
            "%s as seen with %s" % (label, LEFT), "%s as seen with %s" % (label, RIGHT),
            lineterm="", n=30)
    if name in KNOWN and (LEFT, RIGHT) == ("kamailio", "viaduct"):
        assert difference, name + " no longer differs: remove it from known.py"
    elif difference:
        pytest.fail("differs:\n" + "\n".join(difference), pytrace=False)


def blocks(messages):
    """Lines of all messages, numbered, with a separator."""
    lines = []
    for number, message in enumerate(messages, 1):
        lines += ["---- message %d" % number] + message.rstrip("\n").split("\n")
    return lines
