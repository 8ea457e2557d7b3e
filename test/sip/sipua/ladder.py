# SPDX-License-Identifier: BSD-2-Clause
"""Prints what several agents sent and received as one ladder with times."""
from .message import Message


def label(message):
    if not isinstance(message, Message):
        return "%d bytes" % len(message)
    if message.is_request:
        return message.method
    text = message.start_line[8:]
    return "%s (%s)" % (text if len(text) < 20 else text[:18] + "…", message.cseq[1])


def ladder(left, right, middle="server", width=34):
    """Text of the ladder: `left` and `right` are agents, the server stands between them."""
    events = sorted(left.trace + right.trace, key=lambda event: event[0])
    if not events:
        return ""
    start = events[0][0]
    edge = width + 1
    lines = ["%9s  %-*s %-*s %s" % ("ms", edge, left.user, edge, middle, right.user)]
    for when, direction, agent, message in events:
        text = " %s " % label(message)
        toward_right = (agent is left) == (direction == "out")
        arrow = text.center(width - 1, "-") + ">" if toward_right \
            else "<" + text.center(width - 1, "-")
        blank = " " * width
        cells = (arrow, blank) if agent is left else (blank, arrow)
        lines.append("%9.2f  |%s|%s|" % ((when - start) * 1000, *cells))
    return "\n".join(lines)
