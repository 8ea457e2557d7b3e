# SPDX-License-Identifier: BSD-2-Clause
"""Plays one scenario against one server and writes down what every user agent saw, with all that
must differ between two servers (addresses, tags, branches, the name of the product) replaced."""
import re
import select
import time

from sipua import Agent, Unexpected

QUIET_SECONDS = 0.15


class Stage:
    """What a scenario gets: `agent(name)` and the server's address."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.agents = []
        self.stopped = None

    def agent(self, user, **kwargs):
        """An agent whose identifiers are the same in every run of this scenario."""
        made = Agent("%s-%s" % (user, self.name), server=self.server.address,
                     prefix="%s-%s" % (self.name, user), **kwargs)
        made.label = user.upper()
        self.agents.append(made)
        return made

    def phone(self, user, **kwargs):
        """A registered agent."""
        made = self.agent(user)
        made.register(**kwargs)
        return made

    def play(self, scenario):
        try:
            scenario(self)
        except Unexpected as surprise:
            self.stopped = str(surprise).partition("; it has seen")[0]
        self.settle()
        return self

    def settle(self):
        """Reads until nothing came for a while."""
        by_socket = {agent.socket: agent for agent in self.agents}
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            for ready in select.select(list(by_socket), [], [], QUIET_SECONDS)[0]:
                before = len(by_socket[ready].inbox)
                by_socket[ready].read(0)
                if len(by_socket[ready].inbox) != before:
                    quiet_since = time.monotonic()

    def close(self):
        for agent in self.agents:
            agent.close()

    def traces(self):
        """{agent label: text of all distinct messages that it received, in order}."""
        names = Names(self)
        found = {}
        for agent in self.agents:
            messages, known = [], set()
            for _, direction, _, message in agent.trace:
                if direction == "in" and message.raw not in known:
                    known.add(message.raw)
                    text = names.normalise(message)
                    if not messages or text != messages[-1]:    # repeated a second later
                        messages.append(text)
            found[agent.label] = messages
        if self.stopped:
            found["SCENARIO"] = ["stopped: " + names.addresses(self.stopped)]
        return found


class Names:
    """Replaces what differs from run to run. Tags and branches made by the server get numbers in
    the order in which they turn up."""

    def __init__(self, stage):
        self.stage = stage
        self.numbers = {}
        self.replacements = [(stage.server.host_port, "SERVER"),
                             ("rport=%d" % stage.server.address[1], "rport=SERVER")]
        for agent in stage.agents:
            self.replacements.append((agent.host_port, agent.label))
            self.replacements.append(("rport=%d" % agent.address[1], "rport=" + agent.label))
            self.replacements.append(("sp=%d" % agent.address[1], "sp=" + agent.label))
        self.replacements.append((stage.server.address[0], "SERVER-IP"))

    def addresses(self, text):
        for old, new in self.replacements:
            text = re.sub(re.escape(old) + r"(?![0-9])", new, text)
        return text

    def number(self, kind, value):
        if self.stage.name in value:
            return value                                # made by an agent
        key = (kind, value)
        if key not in self.numbers:
            self.numbers[key] = "%s-%d" % (kind, 1 + sum(k == kind for k, _ in self.numbers))
        return self.numbers[key]

    def normalise(self, message):
        text = self.addresses(str(message))
        text = re.sub(r"branch=(z9hG4bK[^;,\s]*)",
                      lambda m: "branch=" + self.number("BRANCH", m.group(1)), text)
        text = re.sub(r"tag=([^;>,\s]+)", lambda m: "tag=" + self.number("TAG", m.group(1)), text)
        text = re.sub(r"(?m)^(Server|User-Agent): .*(kamailio|[vV]iaduct).*$", r"\1: PRODUCT", text)
        text = re.sub(r'temp-gruu="[^"]*"', 'temp-gruu="TEMPORARY"', text)
        # A second or two may have passed since the binding was stored.
        text = re.sub(r"expires=(\d*[89])\b", lambda m: "expires=%d" % (-int(m.group(1)) // 10 * -10),
                      text)
        return text
