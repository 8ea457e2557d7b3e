# SPDX-License-Identifier: BSD-2-Clause
"""A telephone: an agent that knows a password and answers digest challenges with it."""
from .agent import Agent
from .digest import answer_challenge

CHALLENGES = {401: ("WWW-Authenticate", "Authorization"),
              407: ("Proxy-Authenticate", "Proxy-Authorization")}


class Phone(Agent):
    def __init__(self, user, password, server, host="127.0.0.1", login=None, **kwargs):
        """`login` is the user name in the credentials, if it is not `user`."""
        super().__init__(user, host, server=server, **kwargs)
        self.password, self.login = password, login or user

    def repeat(self, request, reply):
        """The request once more, with credentials for the challenge in `reply`; not sent yet."""
        asked, given = CHALLENGES[reply.status]
        again = request.copy()
        again.set("Via", again.via[0].replace(request.branch, "z9hG4bK" + self.unique("auth")))
        again.set("CSeq", "%d %s" % (request.cseq[0] + 1, request.method))
        again.headers.insert(-1, [given, answer_challenge(
            reply[asked], request.method, request.uri, self.login, self.password)])
        return again

    def transact(self, request, statuses=(200,)):
        """Sends the request, answers one challenge; the request that was answered, and the reply,
        whose status must be one of these."""
        self.send(request)
        reply = self.expect_reply(tuple(statuses) + tuple(CHALLENGES), request)
        if reply.status not in CHALLENGES:
            return request, reply
        again = self.send(self.repeat(request, reply))
        return again, self.expect_reply(statuses, again)

    def sign_in(self, statuses=(200,), expires=300):
        """Registers our contact; the final reply."""
        return self.transact(self.request("REGISTER", "sip:" + self.domain, to="<%s>" % self.aor, headers=[
            ("Contact", self.contact), ("Expires", str(expires))]), statuses)[1]
