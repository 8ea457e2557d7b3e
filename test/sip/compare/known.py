# SPDX-License-Identifier: BSD-2-Clause
"""Scenarios in which the two servers differ on purpose or not yet alike, and why. The comparison fails
when one of them no longer differs, so that this table stays true. doc/compatibility.md says more."""

KNOWN = {
    # We answer malformed requests that the peer drops without a word (RFC 3261 16.3, 1.).
    "malformed-cseq-no-method": "a CSeq without method is answered 400",
    "malformed-length-text": "a Content-Length that is no number is answered 400",
    "malformed-length-negative": "a negative Content-Length is answered 400",
    "malformed-to-unclosed": "a broken To is answered 400",
    "malformed-two-cseq": "a second CSeq is answered 400 (RFC 4475 3.3.8)",
    "malformed-two-to": "a second To is answered 400 (RFC 4475 3.3.8)",
    "malformed-length-less": "bytes beyond Content-Length are ignored (RFC 3261 18.3)",
    "malformed-uri-scheme": "an unknown scheme of the Request-URI is answered 416 (RFC 3261 16.3, 2.)",
    "malformed-proxy-require": "an unknown extension in Proxy-Require is answered 420 (RFC 3261 16.3, 5.)",
    "malformed-version": "an unknown SIP version is answered 505 (RFC 3261 21.5.6)",
    "malformed-version-case": "our status line always says SIP/2.0",
    "malformed-expires-large": "delta-seconds beyond 2^32 count as the largest (RFC 3261 20.19)",
    # Via
    "via-spaces": "white space inside Via parameters is kept as it came",
    "via-two-in-one": "received belongs to the first Via of a line (RFC 3261 18.2.1)",
    "via-comment": "a comment in Via is no part of the grammar of RFC 3261",
    "via-received-given": "a received that came with the request is not doubled",
    "via-maddr": "the answer goes to maddr (RFC 3261 18.2.2)",
    "in-dialog-route-us-twice": "the place of rport among the parameters of Via",
    # registrar
    "register-star-and-contact": "a star beside another contact is refused (RFC 3261 10.3, 6.)",
    "register-bad-contact": "a Contact without host is refused",
    "register-long-user": "addresses-of-record have no length limit of 255 bytes",
    # transactions
    "bad-reply-foreign-branch": "a reply to nothing that was sent from here is dropped (RFC 6026 7.2)",
    "bad-reply-foreign-via": "a reply to nothing that was sent from here is dropped (RFC 6026 7.2)",
    "stray-reply": "a reply to nothing that was sent from here is dropped (RFC 6026 7.2)",
    "cancel-before-any-reply": "a provisional that comes after CANCEL still reaches the caller",
    "bad-reply-other-cseq-method": "a reply whose CSeq method is another is dropped",
    # messages
    "compact-headers-pass": "a changed Content-Length is written with its long name",
}

# Of scripted.py.
KNOWN_SCRIPTED = {
    "parallel-failures-401-407": "the best reply is passed on, not made anew (RFC 3261 16.7, 6. and 7.)",
    "loose-double-one-left": "only our own Routes are removed (RFC 3261 16.4)",
    "sanity-version": "an unknown SIP version is answered 505 (RFC 3261 21.5.6)",
    "sanity-proxy-require": "Unsupported lists all extensions that are unknown (RFC 3261 8.2.2.3)",
    "sanity-digest-empty": "credentials without parameters are answered 400 (RFC 3261 16.3, 1.)",
}
