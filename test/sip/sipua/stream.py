# SPDX-License-Identifier: BSD-2-Clause
"""A user agent over TCP: it listens, connects when it has something to send, and answers over the
connection by which a request came.

`connection` objects keep what the test may want to do badly: `write` sends any bytes, `shatter` makes
every byte a segment of its own, `closed` tells that the server hung up.
"""
import re
import select
import socket
import time

from .agent import TIMEOUT, Agent, Unexpected, is_readable
from .message import Message


class Connection:
    """One TCP connection and the bytes that are not a whole message yet."""

    def __init__(self, sock):
        self.socket = sock
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.closed = False
        self.shatter = False
        self.pongs = 0

    def write(self, raw):
        if not self.shatter:
            self.socket.sendall(raw)
            return
        for i in range(len(raw)):
            self.socket.sendall(raw[i:i + 1])

    def receive(self):
        """Reads what is there."""
        try:
            more = self.socket.recv(1 << 16)
        except ConnectionError:
            more = b""
        self.closed = not more
        self.buffer += more

    def take(self):
        """The bytes of the next whole message, or None."""
        while self.buffer.startswith(b"\r\n"):
            self.pongs += 1
            self.buffer = self.buffer[2:]
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return None
        match = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
        length = int(match.group(1)) if match else 0
        if len(rest) < length:
            return None
        whole = len(head) + 4 + length
        raw, self.buffer = self.buffer[:whole], self.buffer[whole:]
        return raw

    def wait_closed(self, timeout=TIMEOUT):
        """Waits until the server has closed it; what comes before is kept."""
        deadline = time.monotonic() + timeout
        while not self.closed:
            left = deadline - time.monotonic()
            assert left > 0, "the connection stays open; unread: %r" % self.buffer[:200]
            if is_readable(self.socket, left):
                self.receive()

    def close(self):
        self.socket.close()
        self.closed = True


class StreamAgent(Agent):
    """An Agent whose `address` is a TCP port. `connections` holds all of them, the one that we made to
    the server first; a received message knows its `connection`."""

    transport = "TCP"

    def __init__(self, user="alice", host="127.0.0.1", **kwargs):
        super().__init__(user, host, **kwargs)
        self.socket.close()                         # only its identity was wanted
        self.socket = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.address = self.socket.getsockname()[:2]
        self.connections = []

    @property
    def contact(self):
        return "<sip:%s@%s;transport=%s>" % (self.user, self.host_port, self.transport.lower())

    def request(self, *args, **kwargs):
        message = super().request(*args, **kwargs)
        message.set("Via", message["Via"].replace("SIP/2.0/UDP", "SIP/2.0/" + self.transport))
        return message

    # ---- connections ----
    def connect(self, to=None):
        """A new connection, to our server by default."""
        connection = Connection(socket.create_connection(to or self.server, TIMEOUT))
        self.connections.append(connection)
        return connection

    def connection_to(self, to):
        for connection in self.connections:
            if not connection.closed and connection.socket.getpeername()[:2] == tuple(to[:2]):
                return connection
        return self.connect(to)

    # ---- sending ----
    def send(self, message, to=None, connection=None):
        raw = message if isinstance(message, bytes) else message.encode()
        connection = connection or self.connection_to(to or self.server)
        self.trace.append((time.monotonic(), "out", self, message))
        if isinstance(message, Message) and message.is_request and message.method == "INVITE":
            self.sent_invites[message.branch] = (message, to)
        connection.write(raw)
        return message

    def reply(self, request, status, *args, **kwargs):
        """Answers over the request's own connection."""
        return self.send(self.reply_to(request, status, *args, **kwargs),
                         connection=request.connection)

    # ---- receiving ----
    def read(self, timeout):
        waiting = [c for c in self.connections if not c.closed]
        for connection in waiting:
            if self.deliver(connection):
                return True
        ready = select.select([self.socket] + [c.socket for c in waiting], [], [],
                              max(0, timeout))[0]
        if self.socket in ready:
            self.connections.append(Connection(self.socket.accept()[0]))
        for connection in waiting:
            if connection.socket in ready:
                connection.receive()
                self.deliver(connection)
        return bool(ready)

    def deliver(self, connection):
        """Puts the next whole message of a connection into the inbox; False when there is none."""
        raw = connection.take()
        if raw is None:
            return False
        message = Message.parse(raw)
        message.connection, message.time = connection, time.monotonic()
        self.trace.append((message.time, "in", self, message))
        if not message.is_request and message.cseq[1] == "INVITE" and message.status >= 300 \
                and self.auto_ack and message.branch in self.sent_invites:
            invite, to = self.sent_invites[message.branch]
            self.ack_failure(invite, message, to)
        self.inbox.append(message)
        return True

    def expect_pong(self, timeout=TIMEOUT):
        """Waits for the answer to a keep-alive."""
        deadline = time.monotonic() + timeout
        while not any(c.pongs for c in self.connections):
            left = deadline - time.monotonic()
            if left <= 0 or not self.read(left):
                raise Unexpected("%s waited %.1f s for a pong" % (self.user, timeout))

    def close(self):
        for connection in self.connections:
            connection.close()
        self.socket.close()


__all__ = ["Connection", "StreamAgent"]
