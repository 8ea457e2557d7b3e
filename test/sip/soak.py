# SPDX-License-Identifier: BSD-2-Clause
"""Figures of reliability. `make soak` sets SOAK and wants the machine to itself: then the promised limits
hold. Beside other tests, in ./check, only generous ones do."""
import os

SOAK = "SOAK" in os.environ


def limit(promised, generous):
    """What a test may insist on here."""
    return promised if SOAK else generous


def figure(text, *values):
    """A line for the report of `make soak`."""
    print("figure: " + text % values, flush=True)
