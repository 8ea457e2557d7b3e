# SPDX-License-Identifier: BSD-2-Clause
"""Messages of a stranger who knows SIP: put together at random from odd but possible parts, then damaged.

    source = Mutations(seed, client_address, server_address)
    source.message()            bytes of a request or a stray reply
    source.replies_to(request)  bytes of replies that a phone could give

What is resolved or sent to lies in 127.0.0.0/8."""
import random
import re

URIS = [
    "sip:alice@example.com", "sips:x@[::1]:5061;transport=tls", "tel:+1234;phone-context=a.b",
    "sip:%41lice:pw@example.com;user=phone?Subject=a&b=c", "sip:example.com", "urn:service:sos", "sip:a@b@c",
    "sip:a;b=c@example.com;lr;maddr=127.9.9.9;ttl=5;method=INVITE", "sip:", "sip:@", "im:x@y", "<sip:a@b>",
    "sip:a@[::ffff:127.9.9.9", "sip:enc*u*127.9.9.9*5060*udp@127.1.1.1", "sip:tgruu.abc@example.com;gr",
    "sip:b@example.com;gr=urn:uuid:f81d4fae", "sip:" + "a" * 300 + "@" + "b" * 260,
]
NAMES = ["", "Bob ", '"B \\" ob" ', '"" ', "=?utf-8?Q?a?= ", '"not ended ', "B,ob "]
VALUES = [
    "a", "a,b", 'a;b=c,d;e="f,g"', "", "  ", " x\r\n y", 'aaaaab=foo;c="bar"', "\xff\xfe", "a" * 500, "1,2,3",
    "-5", "99999999999999999999", "<sip:x@y;lr>;a=b", "foobar", "%00%41%zz", '"q', "a=1;a=2;;b",
    "(comment) x", "MDEy", "3031", "N", "\0\0", "{}", "a.b.c", "*",
]
PARAMS = ["", ";q=0.7", ";q=1.5", ";expires=10", ";expires=-1", ";expires=99999999999", ";x", ';x="a,b"',
          ';+sip.instance="<urn:uuid:1>";reg-id=1', ';methods="INVITE,BYE"', ';received="sip:127.9.9.9"']
METHODS = ["INVITE"] * 6 + ["REGISTER"] * 4 + [
    "ACK", "BYE", "CANCEL", "OPTIONS", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "UPDATE", "PRACK", "INFO",
    "REFER", "FOO"]
STATUSES = [100, 180, 183, 199, 200, 200, 200, 301, 302, 380, 401, 404, 407, 408, 486, 487, 500, 503, 600,
            603, 700, 999, 99]
SPLICES = [b",", b";", b'"', b"<", b">", b"\r\n", b"\r\n ", b"=", b"\0", b"@", b":", b"%", b"\\", b"(", b" ",
           b"\t", b"\xc3\x28", b"9" * 12]
SDP = "\r\n".join([
    "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0", "m=audio 4000 RTP/AVP 0 8 18 101",
    "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=sendrecv", "a=ptime:20",
    "m=video 0 RTP/SAVP 99 100", "c=IN IP6 ::1", "a=rtpmap:99 H264/90000",
    "a=candidate:1 1 UDP 1 127.0.0.1 4000 typ host", ""])
PARTS = ("--bb\r\nContent-Type: application/sdp\r\n\r\n" + SDP + "\r\n--bb\r\nContent-Type: text/plain\r\n"
         "Content-Disposition: attachment\r\n\r\nhello\r\n--bb--\r\n")


class Mutations:
    def __init__(self, seed, client, server):
        self.random = random.Random(seed)
        self.pick = self.random.choice
        self.client, self.server = "%s:%d" % client, "%s:%d" % server
        self.seen = []

    def chance(self, share):
        return self.random.random() < share

    # ---- parts -----------------------------------------------------------------------------------------

    def address(self):
        uri = self.pick(URIS)
        text = self.pick(NAMES) + "<" + uri + ">" if self.chance(.8) else uri
        if self.chance(.7):
            text += ";tag=" + self.pick(["abc", "", "x" * 80, "a.b-c", "t%d" % self.random.randint(0, 99)])
        return text + (self.pick(PARAMS) if self.chance(.2) else "")

    def contacts(self):
        if self.chance(.08):
            return "*"
        return ",".join("<%s>%s" % (self.pick(URIS), self.pick(PARAMS)) for _ in range(self.pick([1, 1, 1, 2, 3])))

    def body(self):
        """Content type and body."""
        kind = self.pick(["none", "none", "sdp", "sdp", "parts", "text"])
        if kind == "none":
            return None, b""
        if kind == "text":
            return "text/plain", self.pick(VALUES).encode("latin-1")
        text = (SDP if kind == "sdp" else PARTS).encode()
        return ("application/sdp" if kind == "sdp" else "multipart/mixed;boundary=" + self.pick(["bb", '"bb"', "xx", ""]),
                self.damaged(text) if self.chance(.5) else text)

    def credentials(self):
        return self.pick([
            'Digest username="alice",realm="example.com",nonce="%s",uri="sip:a",response="%s",qop=auth,'
            'nc=00000001,cnonce="x",algorithm=%s' % (self.pick(["abc", "Zx" * 20, ""]), "0" * 32,
                                                   self.pick(["MD5", "SHA-256", "x"])),
            'Digest username="a", realm="x"', "Basic x", "Digest ", " "])

    def optional_headers(self):
        value, address = self.pick, self.address
        headers = [
            "Contact: " + self.contacts(), "X-A: " + value(VALUES), "X-B: " + value(VALUES),
            "X-C: " + value(VALUES), "X-E: 1", "Supported: " + value(["path,gruu", "100rel", "", "outbound, path"]),
            "Subject: foo foo", "Route: <%s;lr>" % value(URIS),
            "Route: <sip:%s;lr;ftag=x;did=a.b;vsf=AAAA;vst=BB>, <sip:%s;lr>" % (self.server, self.client),
            "Record-Route: <sip:a;lr>,<sip:b;lr>", "Expires: " + value(["3600", "0", "-1", "99999999999", "x"]),
            "Path: <sip:p;lr;received=sip:127.9.9.9>", "User-Agent: " + value(VALUES), "Allow: INVITE,ACK,FOO",
            "Require: " + value(["foo", "path", "gruu"]), "Proxy-Require: foo", "Privacy: id;header",
            "P-Asserted-Identity: " + address(), "Remote-Party-ID: " + address(), "Refer-To: " + address(),
            "Diversion: %s;reason=x" % address(), "Date: Thu, 21 Feb 2002 13:02:03 GMT", "Event: reg",
            "Session-Expires: 90;refresher=uac", "Accept: " + value(VALUES), "m: <sip:q@w>", "k: a",
            "Via: SIP/2.0/TCP [::1]:5060;branch=z9hG4bKq;received=127.9.9.9, SIP/2.0/UDP a;branch=1",
            "Authorization: " + self.credentials(), "Proxy-Authorization: " + self.credentials(),
            "Reason: SIP;cause=200", "RSeq: 5", "RAck: 1 1 INVITE", "Content-Encoding: gzip",
            "P-Charging-Vector: icid-value=1;orig-ioi=a", "Max-Breadth: " + value(["60", "1", "0"]),
        ] + ["X-Do: " + value(["parts", "filter", "auth", "dialog", "uac", "path", "next", "serial", "drop"])
             for _ in range(3)]
        self.random.shuffle(headers)
        return headers[:self.random.randint(1, 14)]

    # ---- whole messages --------------------------------------------------------------------------------

    def damaged(self, text):
        text, number = bytearray(text), self.random.randrange
        for _ in range(self.pick([0, 0, 0, 1, 1, 2, 5])):
            if not text:
                break
            at, other, how = number(len(text)), number(len(text)), number(6)
            if how == 0:
                text[at] = number(256)
            elif how == 1:
                del text[at:at + number(20) + 1]
            elif how == 2:
                text[at:at] = self.pick(SPLICES)
            elif how == 3:
                text[at:at] = text[other:other + number(60)]
            elif how == 4:
                text[at:at] = self.pick(VALUES).encode("latin-1")
            else:
                text[at], text[other] = text[other], text[at]
        return bytes(text)

    def build(self, start_line, method):
        call = "call-%d" % self.random.randint(0, 3000)
        cseq = self.pick(["2", "4294967296", "0", "x"]) if self.chance(.15) else "1"
        headers = [
            "Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%s" % (
                self.client, self.pick([call, call, "", "x" * 200]),
                self.pick(["", ";rport", ";received=127.9.9.9", ";alias", ";ttl=5;maddr=127.9.9.9"])),
            "From: " + self.address(), "To: " + self.address(), "CSeq: %s %s" % (cseq, method),
            "Call-ID: " + self.pick([call, call, "a@b", "x" * 100]),
            "Max-Forwards: " + self.pick(["70", "70", "70", "0", "1", "300", "x"])] + self.optional_headers()
        if self.chance(.15):
            self.random.shuffle(headers)
        kind, body = self.body()
        if kind:
            headers.append("Content-Type: " + kind)
        length = self.pick(["0", "5", "99999", "-1", "x"]) if self.chance(.1) else str(len(body))
        headers.append("Content-Length: " + length)
        return "\r\n".join([start_line] + headers + ["", ""]).encode("latin-1") + body

    def message(self):
        method = self.pick(METHODS)
        if self.seen and self.chance(.12):
            return self.damaged(self.pick(self.seen))
        if self.chance(.1):
            text = self.build("SIP/2.0 %d %s" % (self.pick(STATUSES), self.pick(VALUES)), method)
        else:
            uri = URIS[0] if self.chance(.6) else self.pick(URIS)
            text = self.build("%s %s SIP/2.0" % (method, uri), method if self.chance(.95) else "INVITE")
        return self.damaged(text) if self.chance(.45) else text

    def saw(self, message):
        """Something that the server sent; parts of it come back damaged."""
        self.seen = self.seen[-200:] + [message]

    def replies_to(self, request):
        wanted = re.compile(rb"(?i)(via|v|from|f|to|t|call-id|i|cseq|record-route|x-do)\s*:")
        kept = [line for line in request.split(b"\r\n\r\n")[0].split(b"\r\n")[1:] if wanted.match(line)]
        kept = [line + b";tag=u%d" % self.random.randint(0, 3)
                if re.match(rb"(?i)(to|t)\s*:", line) and b"tag=" not in line else line for line in kept]
        for _ in range(self.pick([1, 1, 2, 3])):
            kind, body = self.body()
            lines = [b"SIP/2.0 %d X" % self.pick(STATUSES)] + kept + [
                ("Contact: %s\r\nX-A: %s" % (self.contacts(), self.pick(VALUES))).encode("latin-1")]
            if kind:
                lines.append(b"Content-Type: " + kind.encode())
            reply = b"\r\n".join(lines + [b"Content-Length: %d" % len(body), b"", b""]) + body
            yield self.damaged(reply) if self.chance(.3) else reply
