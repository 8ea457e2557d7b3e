# SPDX-License-Identifier: BSD-2-Clause
"""A DNS server on loopback with records that a test writes down.

    with DnsServer({("one.test", "A"): ["127.0.0.1"],
                    ("_sip._udp.one.test", "SRV"): [(10, 0, 5070, "host.test")]}) as dns:
        config = 'dns_servers="%s"' % dns.address

Names that are not there get NXDOMAIN. `questions` lists what was asked: (name, type).
"""
import ipaddress
import socket
import struct
import threading

TYPES = {"A": 1, "CNAME": 5, "AAAA": 28, "SRV": 33, "NAPTR": 35}
NAMES = {number: name for name, number in TYPES.items()}


def encode_name(name):
    labels = [label for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def encode_text(text):
    return bytes([len(text)]) + text.encode()


def encode_data(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "SRV":
        priority, weight, port, target = value
        return struct.pack("!HHH", priority, weight, port) + encode_name(target)
    if kind == "NAPTR":
        order, preference, flags, service, expression, replacement = value
        return (struct.pack("!HH", order, preference) + encode_text(flags) + encode_text(service)
                + encode_text(expression) + encode_name(replacement))
    return encode_name(value)


class DnsServer:
    """Answers until it is closed; `silent` names get no answer at all."""

    def __init__(self, records, ttl=60, silent=()):
        self.records, self.ttl, self.silent = records, ttl, set(silent)
        self.questions = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        # A datagram to itself ends the loop: closing alone does not wake recvfrom().
        host, port = self.address.split(":")
        self.socket.sendto(b"", (host, int(port)))
        self.thread.join()
        self.socket.close()

    def asked(self, name, kind):
        return self.questions.count((name, kind))

    def answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = NAMES.get(struct.unpack("!H", query[at + 1:at + 3])[0], "?")
        name = ".".join(labels).lower()
        self.questions.append((name, kind))
        if name in self.silent:
            return None
        found = self.records.get((name, kind), [])
        known = any(key[0] == name for key in self.records)
        header = query[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, len(found), 0, 0)
        question = query[12:at + 5]
        body = b""
        for value in found:
            data = encode_data(kind, value)
            body += b"\xc0\x0c" + struct.pack("!HHIH", TYPES[kind], 1, self.ttl, len(data)) + data
        return header + question + body

    def serve(self):
        while True:
            query, sender = self.socket.recvfrom(4096)
            if not query:
                return
            answer = self.answer(query)
            if answer:
                self.socket.sendto(answer, sender)
