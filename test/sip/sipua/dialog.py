# SPDX-License-Identifier: BSD-2-Clause
"""Dialogs as RFC 3261 section 12 builds them: route set, remote target, CSeq."""
from .message import name_addr, uri_host_port


class Dialog:
    def __init__(self, agent, local, remote, call_id, target, routes, cseq):
        self.agent = agent
        self.local, self.remote = local, remote         # From/To values with tags
        self.call_id = call_id
        self.target = target                            # remote target URI
        self.routes = routes                            # list of name-addr texts
        self.cseq = cseq
        self.invite_cseq = cseq

    @classmethod
    def from_client(cls, agent, request, reply):
        """The dialog that a 1xx/2xx reply to our request created."""
        return cls(agent, request["From"], reply["To"], reply.call_id, reply.contact_uri,
                   list(reversed(reply.values("Record-Route"))), request.cseq[0])

    @classmethod
    def from_server(cls, agent, request, reply):
        """The dialog that our 1xx/2xx `reply` to `request` created."""
        return cls(agent, reply["To"], request["From"], request.call_id, request.contact_uri,
                   request.values("Record-Route"), 100)

    def request(self, method, headers=(), body=b"", cseq=None, **kwargs):
        """A request inside the dialog, not sent yet."""
        if cseq is None:
            self.cseq += method != "ACK"
            cseq = self.cseq
        return self.agent.request(method, self.target, to=self.remote, from_=self.local,
                                  call_id=self.call_id, cseq=cseq, body=body,
                                  headers=[("Route", r) for r in self.routes] + list(headers),
                                  **kwargs)

    @property
    def next_hop(self):
        return uri_host_port(name_addr(self.routes[0])[0] if self.routes else self.target)

    def send(self, method, **kwargs):
        return self.agent.send(self.request(method, **kwargs), self.next_hop)

    def ack(self, **kwargs):
        """ACK for a 2xx: end to end, its own transaction."""
        return self.send("ACK", cseq=kwargs.pop("cseq", self.cseq), **kwargs)
