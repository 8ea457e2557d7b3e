# SPDX-License-Identifier: BSD-2-Clause
"""SIP messages as a test sees them: start line, ordered header list, body. RFC 3261 section 7.

Nothing is normalised when parsing, so a test can look at what was really on the wire.
"""
import re

COMPACT = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition",
    "e": "content-encoding", "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported",
    "l": "content-length", "m": "contact", "o": "event", "r": "refer-to", "s": "subject",
    "t": "to", "u": "allow-events", "v": "via", "x": "session-expires",
}


def canonical(name):
    """Header name for comparing: lower case, compact forms expanded."""
    name = name.strip().lower()
    return COMPACT.get(name, name)


def split_commas(value):
    """Splits a header value at commas outside quotes and angle brackets."""
    parts, depth, quoted, start = [], 0, False, 0
    i = 0
    while i < len(value):
        c = value[i]
        if quoted:
            if c == "\\":
                i += 1
            elif c == '"':
                quoted = False
        elif c == '"':
            quoted = True
        elif c == "<":
            depth += 1
        elif c == ">":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(value[start:i].strip())
            start = i + 1
        i += 1
    parts.append(value[start:].strip())
    return parts


def params(text):
    """The ;name=value parameters of `text` as a dict (names lower case, flags map to "")."""
    found = {}
    for part in text.split(";")[1:]:
        name, _, value = part.partition("=")
        found[name.strip().lower()] = value.strip()
    return found


def name_addr(value):
    """(uri, parameters) of a From, To, Contact or Route value."""
    match = re.match(r'\s*(?:"(?:[^"\\]|\\.)*"|[^<"]*)\s*<([^>]*)>(.*)$', value, re.S)
    if match:
        return match.group(1), params(match.group(2))
    uri, _, rest = value.partition(";")
    return uri.strip(), params(";" + rest if rest else "")


def host_port(text, default=5060):
    """("::1", 5080) of "[::1]:5080"."""
    match = re.match(r"\[([^\]]+)\](?::(\d+))?$", text) or re.match(r"([^:]+)(?::(\d+))?$", text)
    if not match:
        raise ValueError("not a host and port: %r" % text)
    return match.group(1), int(match.group(2) or default)


def uri_host_port(uri):
    """Where to send a request for this URI (numeric hosts only): maddr wins over the host."""
    rest = uri.partition(":")[2]
    rest = rest.rpartition("@")[2] if "@" in rest else rest
    found = params(rest)
    host, port = host_port(rest.partition(";")[0].partition("?")[0])
    return found.get("maddr", host), port


def text_address(address):
    """("::1", 5080) -> "[::1]:5080"."""
    host, port = address[0], address[1]
    return "[%s]:%d" % (host, port) if ":" in host else "%s:%d" % (host, port)


class Message:
    """A request or reply. `headers` is a list of [name, value] in wire order."""

    def __init__(self, start_line, headers=(), body=b""):
        self.start_line = start_line
        self.headers = [[name, value] for name, value in headers]
        self.body = body if isinstance(body, bytes) else body.encode()
        self.source = None
        self.raw = None
        self.time = None

    @classmethod
    def parse(cls, raw, source=None):
        head, separator, body = raw.partition(b"\r\n\r\n")
        if not separator:
            raise ValueError("no end of headers in %r" % raw[:200])
        lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "surrogateescape")).split("\r\n")
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise ValueError("header line without a colon: %r" % line)
            headers.append((name.strip(), value.strip()))
        message = cls(lines[0], headers, body)
        message.source, message.raw = source, raw
        return message

    def encode(self):
        text = self.start_line + "\r\n"
        text += "".join("%s: %s\r\n" % (name, value) for name, value in self.headers)
        return (text + "\r\n").encode("utf-8", "surrogateescape") + self.body

    # ---- start line ----
    @property
    def is_request(self):
        return not self.start_line.startswith("SIP/2.0 ")

    @property
    def method(self):
        """Method of a request; of a reply, the method in CSeq."""
        return self.start_line.split(" ")[0] if self.is_request else self.cseq[1]

    @property
    def uri(self):
        return self.start_line.split(" ")[1]

    @property
    def status(self):
        return None if self.is_request else int(self.start_line.split(" ")[1])

    @property
    def reason(self):
        return self.start_line.split(" ", 2)[2]

    # ---- headers ----
    def all(self, name):
        """Raw values of every header line with this name."""
        wanted = canonical(name)
        return [value for key, value in self.headers if canonical(key) == wanted]

    def values(self, name):
        """Comma separated values of every line, in order."""
        return [part for value in self.all(name) for part in split_commas(value)]

    def get(self, name, default=None):
        found = self.all(name)
        return found[0] if found else default

    def __getitem__(self, name):
        value = self.get(name)
        assert value is not None, "no %s header in\n%s" % (name, self)
        return value

    def __contains__(self, name):
        return self.get(name) is not None

    def add(self, name, value):
        self.headers.append([name, value])
        return self

    def set(self, name, value):
        """Replaces the first header of this name, or adds it."""
        for header in self.headers:
            if canonical(header[0]) == canonical(name):
                header[1] = value
                return self
        return self.add(name, value)

    def remove(self, name):
        self.headers = [h for h in self.headers if canonical(h[0]) != canonical(name)]
        return self

    def copy(self):
        return Message(self.start_line, self.headers, self.body)

    # ---- the fields that tests ask for ----
    @property
    def call_id(self):
        return self["Call-ID"]

    @property
    def cseq(self):
        """(number, method); (-1, …) when there is no number, so that wrong replies can be seen."""
        number, _, method = self.get("CSeq", "").partition(" ")
        return int(number) if number.isdigit() else -1, method.strip()

    @property
    def via(self):
        return self.values("Via")

    @property
    def branch(self):
        return params(self.via[0]).get("branch") if "Via" in self else None

    def via_params(self, index=0):
        return params(self.via[index])

    @property
    def from_tag(self):
        return name_addr(self["From"])[1].get("tag")

    @property
    def to_tag(self):
        return name_addr(self["To"])[1].get("tag")

    @property
    def contact_uri(self):
        return name_addr(self.values("Contact")[0])[0]

    @property
    def contacts(self):
        """{uri: parameters} of all Contact values."""
        return dict(name_addr(value) for value in self.values("Contact"))

    def summary(self):
        if self.is_request:
            return "%s %s" % (self.method, self.uri)
        return "%s (%s)" % (self.start_line[8:], self.get("CSeq", "no CSeq"))

    def __str__(self):
        return self.encode().decode("utf-8", "replace").replace("\r\n", "\n")
