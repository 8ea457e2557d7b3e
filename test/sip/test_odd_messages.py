# SPDX-License-Identifier: BSD-2-Clause
"""What variables yield for messages that are odd: empty headers, URNs, numbers that are too large. The
values are those of Debian's kamailio 5.6.3 (--server kamailio)."""
import pytest
from settings import START, head

HEAD = {"Via": "SIP/2.0/UDP {agent};branch=z9hG4bKodd", "From": "<sip:a@b>;tag=1", "To": "<sip:c@d>",
        "Call-ID": "odd@h", "CSeq": "5 MESSAGE"}
# What differs from HEAD, then variable and value; None: null.
ROWS = {
    "no_body": ({}, {"rb": "", "msg(body)": "", "bs": "0", "hdr(X-H)": None, "(hdr(X-H)[*])": None}),
    "empty_headers": ({"User-Agent": "", "Contact": "", "X-H": ""}, {
        "ua": "", "ct": None, "hdr(X-H)": "", "(hdr(X-H)[*])": ""}),
    "empty_value_first": ({"X-H": "\r\nX-H: a\r\nX-H: b"}, {"(hdr(X-H)[*])": "a,b", "hdrc(X-H)": "3"}),
    "urn": ({"To": "<urn:service:sos>"}, {"tU": "service", "td": "sos", "tUl": "7",
                                          "(tu{uri.user})": "service", "(tu{uri.host})": "sos"}),
    "large_cseq": ({"CSeq": "4294967295 MESSAGE"}, {"cs": "4294967295", "csb": "4294967295 MESSAGE"}),
    "from_without_user": ({"From": "<sip:b>;tag=1"}, {"AU": "", "Au": "@b", "fU": None}),
    "credentials_without_algorithm": ({"Authorization": 'Digest username="u", realm="r", nonce="n", '
                                       'uri="sip:x", response="00000000000000000000000000000000"'},
                                      {"aa": "", "ar": "r", "aU": "u"}),
    "first_part": ({"X-Last": "x"}, {"(msg(fpart){s.substr,-9,0})": "X-Last: x"}),
}


def configuration():
    branches = ""
    for name, (_, values) in ROWS.items():
        tells = "".join('\t\t$var(v) = "null";\n\t\tif ($%s != $null) $var(v) = "=" + $%s;\n'
                        '\t\tappend_to_reply("X-%d: $var(v)\\r\\n");\n' % (key, key, i)
                        for i, key in enumerate(values))
        branches += '\tif ($hdr(Row) == "%s") {\n%s\t}\n' % (name, tells)
    return head("acc", "auth", sanity__autodrop=0) + "request_route {\n" + START + branches \
        + '\tsl_send_reply("200", "Told");\n}\n'


CONFIG = configuration()


@pytest.mark.parametrize("name", ROWS)
def test_odd(agent, server, name):
    changes, values = ROWS[name]
    client = agent("odd")
    headers = dict({"Row": name}, **HEAD)
    headers.update({key: value for key, value in changes.items() if key != "X-Last"})
    if "X-Last" in changes:
        headers["X-Last"] = changes["X-Last"]
    else:
        headers["Content-Length"] = "0"
    text = "MESSAGE sip:x@y SIP/2.0\r\n" + "".join("%s: %s\r\n" % line for line in headers.items())
    client.send((text.replace("{agent}", client.host_port) + "\r\n").encode(), server.address)
    reply = client.expect_reply(200)
    told = [reply.get("X-%d" % i) for i in range(len(values))]
    assert told == ["null" if value is None else "=" + value for value in values.values()]
