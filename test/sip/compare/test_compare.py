# SPDX-License-Identifier: BSD-2-Clause
"""Our server and Debian's kamailio run the stock configuration file, unmodified; the same scenarios
are played against both, and what every user agent saw is compared, header order included.

Skipped by name where kamailio or its configuration file is not installed.
"""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from both import compare, play_on_both  # noqa: E402
from known import KNOWN  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402

STOCK = "/etc/kamailio/kamailio.cfg"

pytestmark = pytest.mark.compare


@pytest.fixture(scope="module")
def played(request):
    if not os.path.exists(STOCK):
        pytest.skip("%s is not there" % STOCK)
    yield from play_on_both(request, STOCK, SCENARIOS, "test_same_on_the_wire")


@pytest.mark.parametrize("name", [name for name, _ in SCENARIOS])
def test_same_on_the_wire(played, name):
    compare(played, name, KNOWN)
