# SPDX-License-Identifier: BSD-2-Clause
"""A small SIP user agent for tests: blocking sockets, explicit steps, readable failures."""
from .agent import Agent, Unexpected
from .dialog import Dialog
from .digest import answer_challenge
from .ladder import ladder
from .message import Message, host_port, name_addr, uri_host_port
from .phone import Phone

__all__ = [
    "Agent", "Dialog", "Message", "Phone", "Unexpected", "answer_challenge", "host_port", "ladder",
    "name_addr", "uri_host_port",
]
