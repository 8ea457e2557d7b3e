# SPDX-License-Identifier: BSD-2-Clause
"""Plays scenarios on our server and on Debian's kamailio and compares what every agent saw."""
import difflib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from sipua.server import Server, find_program, stop_all
from stage import Stage

# What a server may log while the malformed scenarios run.
ALLOWED = [r"ERROR", r"CRITICAL: .*core.*pars"]
LEFT = os.environ.get("COMPARE_LEFT", "kamailio")
RIGHT = os.environ.get("COMPARE_RIGHT", "viaduct")
THREADS = 8


def play(server, name, function):
    stage = Stage(server, name)
    try:
        return stage.play(function).traces()
    finally:
        stage.close()


def play_on_both(request, config, scenarios, test):
    """Yields {(scenario, side): future of its traces} of those that `test` asks for. Scenarios are
    independent of each other, so several run at a time against one server of each kind."""
    for name in (LEFT, RIGHT):
        if not find_program(name):
            pytest.skip("%s is not there" % name)
    chosen = {item.callspec.params["name"] for item in request.session.items
              if item.originalname == test}
    running = []
    try:
        for name in (LEFT, RIGHT):
            running.append(Server(config, name))
            running[-1].allow(*ALLOWED)
        with ThreadPoolExecutor(THREADS) as pool:
            yield {(name, side): pool.submit(play, server, name, function)
                   for name, function in scenarios if name in chosen
                   for side, server in enumerate(running)}
    finally:
        stop_all(running)


def compare(played, name, known):
    """Fails with what is different; also when a scenario in `known` no longer differs."""
    left, right = (played[name, side].result() for side in (0, 1))
    difference = []
    for label in sorted(set(left) | set(right)):
        difference += difflib.unified_diff(
            blocks(left.get(label, [])), blocks(right.get(label, [])),
            "%s as seen with %s" % (label, LEFT), "%s as seen with %s" % (label, RIGHT),
            lineterm="", n=30)
    if name in known and (LEFT, RIGHT) == ("kamailio", "viaduct"):
        assert difference, name + " no longer differs: remove it from known.py"
    elif difference:
        pytest.fail("differs:\n" + "\n".join(difference), pytrace=False)


def blocks(messages):
    """Lines of all messages, numbered, with a separator."""
    lines = []
    for number, message in enumerate(messages, 1):
        lines += ["---- message %d" % number] + message.rstrip("\n").split("\n")
    return lines
