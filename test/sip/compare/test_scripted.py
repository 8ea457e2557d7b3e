# SPDX-License-Identifier: BSD-2-Clause
"""The scenarios of scripted.py, which bring a configuration of their own, on both servers. Skipped by
name where kamailio is not installed."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from both import compare, play_on_both  # noqa: E402
from known import KNOWN_SCRIPTED  # noqa: E402
from scripted import CONFIG, SCENARIOS  # noqa: E402

pytestmark = pytest.mark.compare


@pytest.fixture(scope="module")
def played(request):
    yield from play_on_both(request, CONFIG, SCENARIOS, "test_same_with_a_script")


@pytest.mark.parametrize("name", [name for name, _ in SCENARIOS])
def test_same_with_a_script(played, name):
    compare(played, name, KNOWN_SCRIPTED)
