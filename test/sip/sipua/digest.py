# SPDX-License-Identifier: BSD-2-Clause
"""Digest client, RFC 7616 and the algorithms of RFC 8760."""
import hashlib
import re


def parse_challenge(value):
    """{"realm": …} of a WWW-Authenticate or Proxy-Authenticate value."""
    return {name.lower(): quoted or plain for name, quoted, plain in
            re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^,\s]+))', value)}


def hasher(algorithm):
    """The function that gives the hexadecimal digest of text or bytes."""
    name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256",
            "SHA-384": "sha384", "SHA-512": "sha512"}[algorithm.upper()]

    def digest(text):
        return hashlib.new(name, text if isinstance(text, bytes) else text.encode()).hexdigest()
    return digest


def answer_challenge(challenge, method, uri, user, password, cnonce="0a4f113b", count=1,
                     qop=None, body=b"", ha1=None):
    """Value of the Authorization header that answers `challenge` (the header's value, or what
    parse_challenge made of it). `qop`: "auth" when the challenge offers that; "" for none."""
    found = challenge if isinstance(challenge, dict) else parse_challenge(challenge)
    algorithm = found.get("algorithm", "MD5")
    h = hasher(algorithm)
    if qop is None:
        qop = "auth" if "auth" in found.get("qop", "").replace(" ", "").split(",") else ""
    ha1 = ha1 or h("%s:%s:%s" % (user, found["realm"], password))
    ha2 = h("%s:%s" % (method, uri) + (":" + h(body) if qop == "auth-int" else ""))
    value = 'Digest username="%s", realm="%s", nonce="%s", uri="%s"' % (
        user, found["realm"], found["nonce"], uri)
    if "algorithm" in found:
        value += ", algorithm=" + algorithm
    if qop:
        nc = "%08x" % count
        response = h(":".join((ha1, found["nonce"], nc, cnonce, qop, ha2)))
        value += ', qop=%s, nc=%s, cnonce="%s"' % (qop, nc, cnonce)
    else:
        response = h(":".join((ha1, found["nonce"], ha2)))
    if "opaque" in found:
        value += ', opaque="%s"' % found["opaque"]
    return value + ', response="%s"' % response
