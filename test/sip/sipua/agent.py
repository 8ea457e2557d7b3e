# SPDX-License-Identifier: BSD-2-Clause
"""A user agent on one UDP socket. Steps are explicit: a test sends, expects, replies.

Three things happen without being asked, because nearly every test wants them:
- a datagram that is byte for byte a repetition is counted in `retransmissions` and not delivered;
- a final reply >= 300 to an INVITE of ours is answered with ACK (`auto_ack=False` stops that);
- 100 Trying is skipped unless a test expects 100.
"""
import errno
import itertools
import os
import select
import socket
import threading
import time

from .message import Message, name_addr, params, text_address, uri_host_port

TIMEOUT = 8.0


def is_readable(place, timeout):
    """poll() where select() would refuse a descriptor above 1023."""
    waiting = select.poll()
    waiting.register(place, select.POLLIN)
    return bool(waiting.poll(max(0, timeout) * 1000))


class Unexpected(AssertionError):
    """Something else than the expected message came, or nothing."""


# Ports of agents, a range for each process of the run. The kernel's own choice comes back to one that was
# closed a moment ago, and then what a server still repeats to its last owner reaches another test.
PORTS_EACH = 5500
FIRST_PORT = 10000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4 * PORTS_EACH
next_port = itertools.cycle(range(FIRST_PORT, FIRST_PORT + PORTS_EACH))
next_port_lock = threading.Lock()


def bind_to_new_port(sock, host):
    """Binds to a port that no agent of this run has had for long."""
    for _ in range(PORTS_EACH):
        with next_port_lock:
            port = next(next_port)
        try:
            return sock.bind((host, port))
        except OSError as problem:
            if problem.errno != errno.EADDRINUSE:
                raise
    raise OSError("no port is free for an agent")


class Agent:
    def __init__(self, user="alice", host="127.0.0.1", server=None, domain=None, prefix=None):
        """`server` is the (host, port) to which out-of-dialog requests go; `domain` is the host
        part of our own address-of-record (default: the server's address)."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        bind_to_new_port(self.socket, host)
        self.address = self.socket.getsockname()[:2]
        self.user = user
        self.server = server
        self.domain = domain or (text_address(server) if server else text_address(self.address))
        self.auto_ack = True
        self.inbox = []
        self.seen = set()
        self.retransmissions = []
        self.trace = []                 # (time, "in"/"out", agent, Message or bytes)
        self.sent_invites = {}
        self.prefix = prefix or "%s%04x" % (user, self.address[1])
        self.counter = 0

    # ---- identity ----
    def unique(self, what):
        """A new value for a tag, branch or Call-ID; distinct, and the same in every run when
        `prefix` was given."""
        self.counter += 1
        return "%s-%s-%d" % (self.prefix, what, self.counter)

    @property
    def host_port(self):
        return text_address(self.address)

    @property
    def contact(self):
        return "<sip:%s@%s>" % (self.user, self.host_port)

    @property
    def aor(self):
        return "sip:%s@%s" % (self.user, self.domain)

    # ---- building ----
    def request(self, method, uri, to=None, from_=None, headers=(), body=b"", content_type=None,
                contact=None, cseq=1, call_id=None, max_forwards=70):
        """An out-of-dialog request, not sent yet."""
        if not isinstance(body, bytes):
            body = body.encode()
        message = Message("%s %s SIP/2.0" % (method, uri), [
            ("Via", "SIP/2.0/UDP %s;rport;branch=z9hG4bK%s" % (self.host_port, self.unique("b"))),
            ("Max-Forwards", str(max_forwards)),
            ("From", from_ or "<%s>;tag=%s" % (self.aor, self.unique("from"))),
            ("To", to or "<%s>" % uri),
            ("Call-ID", call_id or self.unique("call")),
            ("CSeq", "%d %s" % (cseq, method)),
        ])
        if contact is None and method in ("INVITE", "SUBSCRIBE", "REFER", "UPDATE", "NOTIFY"):
            contact = self.contact
        if contact:
            message.add("Contact", contact)
        for name, value in headers:
            message.add(name, value)
        if body:
            message.add("Content-Type", content_type or "application/sdp")
        message.add("Content-Length", str(len(body)))
        message.body = body
        return message

    def reply_to(self, request, status, reason=None, headers=(), body=b"", contact=None,
                 to_tag=None):
        """A reply (RFC 3261 8.2.6), not sent yet. The To tag is stable per request."""
        if not isinstance(body, bytes):
            body = body.encode()
        message = Message("SIP/2.0 %d %s" % (status, reason or REASONS.get(status, "Whatever")))
        for value in request.all("Via"):
            message.add("Via", value)
        for name in ("Record-Route",) if status < 300 else ():
            for value in request.all(name):
                message.add(name, value)
        message.add("From", request["From"])
        to = request["To"]
        if status > 100 and "tag" not in name_addr(to)[1]:
            if not hasattr(request, "our_tag"):
                request.our_tag = self.unique("to")
            to += ";tag=%s" % (to_tag or request.our_tag)
        message.add("To", to).add("Call-ID", request["Call-ID"]).add("CSeq", request["CSeq"])
        if contact is None and request.method in ("INVITE", "SUBSCRIBE") and 100 < status < 300:
            contact = self.contact
        if contact:
            message.add("Contact", contact)
        for name, value in headers:
            message.add(name, value)
        if body:
            message.add("Content-Type", "application/sdp")
        message.add("Content-Length", str(len(body)))
        message.body = body
        return message

    def sdp(self, port=20000):
        family = "IP6" if ":" in self.address[0] else "IP4"
        return ("v=0\r\no=%s 1 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n"
                "m=audio %d RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
                % (self.user, family, self.address[0], family, self.address[0], port))

    # ---- sending ----
    def send(self, message, to=None):
        """Sends a Message (a request by default to our server or its first Route; a reply to
        where its top Via says) or raw bytes."""
        raw = message if isinstance(message, bytes) else message.encode()
        if to is None:
            to = self.target(message)
        self.trace.append((time.monotonic(), "out", self, message))
        if isinstance(message, Message) and message.is_request and message.method == "INVITE":
            self.sent_invites[message.branch] = (message, to)
        self.socket.sendto(raw, tuple(to[:2]))
        return message

    def target(self, message):
        if isinstance(message, bytes) or (message.is_request and self.server):
            return self.server
        if message.is_request:
            route = message.values("Route")
            return uri_host_port(name_addr(route[0])[0] if route else message.uri)
        via = message.via[0]
        found = params(via)
        host, port = uri_host_port("sip:" + via.split()[1].partition(";")[0])
        return found.get("received", host).strip("[]"), int(found.get("rport") or port)

    def invite(self, uri, **kwargs):
        """Sends an INVITE with our SDP and returns it."""
        kwargs.setdefault("body", self.sdp())
        return self.send(self.request("INVITE", uri, **kwargs))

    def register(self, contact=None, expires=None, headers=(), status=200, aor=None, **kwargs):
        """Registers, expects `status`, returns the reply. contact="*" and lists are allowed."""
        contacts = contact if isinstance(contact, (list, tuple)) else [contact or self.contact]
        extra = [("Contact", value) for value in contacts if value]
        if expires is not None:
            extra.append(("Expires", str(expires)))
        aor = aor or self.aor
        request = self.request("REGISTER", "sip:" + self.domain, to="<%s>" % aor,
                               headers=extra + list(headers), **kwargs)
        self.send(request)
        return self.expect_reply(status, request)

    def reply(self, request, status, *args, **kwargs):
        """Builds and sends a reply to the place from which the request came."""
        return self.send(self.reply_to(request, status, *args, **kwargs), request.source)

    def ack_failure(self, invite, reply, to=None):
        """ACK for a final reply >= 300: same transaction, hop by hop (RFC 3261 17.1.1.3)."""
        ack = Message("ACK %s SIP/2.0" % invite.uri, [
            ("Via", invite.via[0]), ("Max-Forwards", "70"), ("From", invite["From"]),
            ("To", reply["To"]), ("Call-ID", invite["Call-ID"]),
            ("CSeq", "%d ACK" % invite.cseq[0])])
        for value in invite.all("Route"):
            ack.add("Route", value)
        ack.add("Content-Length", "0")
        return self.send(ack, to)

    def cancel(self, invite, headers=()):
        """CANCEL for an INVITE of ours (RFC 3261 9.1)."""
        cancel = Message("CANCEL %s SIP/2.0" % invite.uri, [
            ("Via", invite.via[0]), ("Max-Forwards", "70"), ("From", invite["From"]),
            ("To", invite["To"]), ("Call-ID", invite["Call-ID"]),
            ("CSeq", "%d CANCEL" % invite.cseq[0])])
        for value in invite.all("Route"):
            cancel.add("Route", value)
        for name, value in headers:
            cancel.add(name, value)
        return self.send(cancel.add("Content-Length", "0"))

    # ---- receiving ----
    def read(self, timeout):
        """Reads one datagram into the inbox if one comes within `timeout`; False if none came.
        A repetition counts as read but is not put into the inbox."""
        if not is_readable(self.socket, timeout):
            return False
        raw, source = self.socket.recvfrom(65535)
        if not raw.strip(b"\r\n\0"):
            return True                             # keep-alive
        message = Message.parse(raw, source[:2])
        message.time = time.monotonic()
        self.trace.append((message.time, "in", self, message))
        if not message.is_request and message.cseq[1] == "INVITE" and message.status >= 300 \
                and self.auto_ack and message.branch in self.sent_invites:
            invite, to = self.sent_invites[message.branch]
            self.ack_failure(invite, message, to)
        if (raw, source) in self.seen:
            self.retransmissions.append(message)
        else:
            self.seen.add((raw, source))
            self.inbox.append(message)
        return True

    def take(self, wanted, timeout, what):
        """Removes and returns the first message of the inbox for which `wanted` is true."""
        deadline = time.monotonic() + timeout
        while True:
            for message in self.inbox:
                if wanted(message):
                    self.inbox.remove(message)
                    return message
            left = deadline - time.monotonic()
            if left <= 0 or not self.read(left):
                if time.monotonic() >= deadline:
                    raise Unexpected("%s waited %.1f s for %s; it has seen:\n%s"
                                     % (self.user, timeout, what, self.history()))

    def expect_request(self, method, timeout=TIMEOUT):
        """The next request; it must have this method (a pattern such as "INVITE|ACK" is fine)."""
        message = self.take(lambda m: m.is_request, timeout, "request " + method)
        if message.method not in method.split("|"):
            raise Unexpected("%s expected %s and got %s; it has seen:\n%s"
                             % (self.user, method, message.summary(), self.history()))
        return message

    def expect_reply(self, status, to=None, timeout=TIMEOUT):
        """The next reply (to the request `to`, if given); it must have this status, or one of
        these. 100 is skipped unless it is asked for."""
        statuses = (status,) if isinstance(status, int) else status

        def wanted(m):
            return not m.is_request and (m.status != 100 or 100 in statuses) and (
                to is None or (m.branch == to.branch and m.cseq == to.cseq))
        message = self.take(wanted, timeout, "reply %s" % (status,))
        if message.status not in statuses:
            raise Unexpected("%s expected %s and got %s; it has seen:\n%s"
                             % (self.user, status, message.summary(), self.history()))
        return message

    def expect_any(self, timeout=TIMEOUT):
        """The next message of any kind."""
        return self.take(lambda m: True, timeout, "any message")

    def expect_retransmission(self, timeout=TIMEOUT):
        """Waits for a repetition of something already received and returns it."""
        deadline = time.monotonic() + timeout
        while not self.retransmissions:
            left = deadline - time.monotonic()
            if left <= 0 or not self.read(left):
                if time.monotonic() >= deadline:
                    raise Unexpected("%s waited %.1f s for a retransmission; it has seen:\n%s"
                                     % (self.user, timeout, self.history()))
        return self.retransmissions.pop(0)

    def expect_again(self, timeout=TIMEOUT):
        """The next message, be it a repetition or not."""
        deadline = time.monotonic() + timeout
        while not self.retransmissions and not self.inbox and time.monotonic() < deadline:
            self.read(deadline - time.monotonic())
        return self.retransmissions.pop(0) if self.retransmissions else self.expect_any(0)

    def resend(self, message, tries=5):
        """Sends a message once more, and again until something comes back, which is returned. (A
        server may drop a repetition that comes while it is still working on the first.)"""
        for _ in range(tries):
            self.send(message)
            try:
                return self.expect_again(0.5)
            except Unexpected as unanswered:
                problem = unanswered
        raise problem

    def expect_nothing(self, timeout=0.3):
        """Nothing new may come within `timeout` (repetitions may, 100 may)."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.read(deadline - time.monotonic())
        rest = [m for m in self.inbox if m.is_request or m.status != 100]
        if rest:
            raise Unexpected("%s expected nothing and got %s; it has seen:\n%s"
                             % (self.user, rest[0].summary(), self.history()))

    def collect(self, timeout=0.3):
        """Everything that comes within `timeout`, repetitions excluded."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.read(deadline - time.monotonic())
        got, self.inbox = self.inbox, []
        return got

    def history(self):
        start = self.trace[0][0] if self.trace else 0
        lines = []
        for when, direction, _, message in self.trace:
            text = message.summary() if isinstance(message, Message) else repr(message[:60])
            lines.append("  %8.3f %s %s" % (when - start, {"in": "<-", "out": "->"}[direction],
                                            text))
        return "\n".join(lines) or "  (nothing)"

    def close(self):
        self.socket.close()


REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 183: "Session Progress",
    200: "OK", 202: "Accepted", 302: "Moved Temporarily", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 407: "Proxy Authentication Required",
    408: "Request Timeout", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error",
    503: "Service Unavailable", 600: "Busy Everywhere", 603: "Decline",
}
