# SPDX-License-Identifier: BSD-2-Clause
"""Digest client, RFC 2617 and the SHA-256 of RFC 8760."""
import hashlib
import re


def parse_challenge(value):
    """{"realm": …} of a WWW-Authenticate or Proxy-Authenticate value."""
    return {name.lower(): quoted or plain for name, quoted, plain in
            re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^,\s]+))', value)}


def answer_challenge(challenge, method, uri, user, password, cnonce="0a4f113b", count=1):
    """Value of the Authorization header that answers `challenge` (the header's value)."""
    found = parse_challenge(challenge)
    algorithm = found.get("algorithm", "MD5")
    digest = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm.upper()]

    def h(text):
        return digest(text.encode()).hexdigest()

    ha1 = h("%s:%s:%s" % (user, found["realm"], password))
    ha2 = h("%s:%s" % (method, uri))
    value = 'Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=%s' % (
        user, found["realm"], found["nonce"], uri, algorithm)
    if "auth" in found.get("qop", "").replace(" ", "").split(","):
        nc = "%08x" % count
        response = h(":".join((ha1, found["nonce"], nc, cnonce, "auth", ha2)))
        value += ', qop=auth, nc=%s, cnonce="%s"' % (nc, cnonce)
    else:
        response = h(":".join((ha1, found["nonce"], ha2)))
    if "opaque" in found:
        value += ', opaque="%s"' % found["opaque"]
    return value + ', response="%s"' % response
