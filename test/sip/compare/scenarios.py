# SPDX-License-Identifier: BSD-2-Clause
"""Scenarios for the stock configuration, played against two servers. A scenario only drives: what
the agents saw is compared afterwards, so a step waits with expect_* just to keep the order."""
from sipua import Dialog

SCENARIOS = []


def scenario(function):
    SCENARIOS.append((function.__name__.replace("_", "-"), function))
    return function


def table(name, rows):
    """One scenario per row of (label, arguments...) for the decorated function(stage, *row)."""
    def decorate(function):
        for label, *row in rows:
            SCENARIOS.append(("%s-%s" % (name, label),
                              lambda stage, row=row: function(stage, *row)))
        return function
    return decorate


def ask(stage, method, uri, **kwargs):
    """One request from alice; whatever comes back is noted."""
    alice = stage.agent("alice")
    alice.send(alice.request(method, uri, **kwargs))
    return alice


def ring(stage, alice, *phones, **kwargs):
    """INVITE, 180 from every phone. (invite, [incoming])"""
    invite = alice.invite("sip:%s@%s" % (phones[0].user, stage.server.host_port), **kwargs)
    incoming = []
    for phone in phones:
        incoming.append(phone.expect_request("INVITE"))
        phone.reply(incoming[-1], 180)
        alice.expect_reply(180, invite)
    return invite, incoming


def establish(stage, alice, bob, **kwargs):
    """A call that is up: both dialogs."""
    invite, (incoming,) = ring(stage, alice, bob, **kwargs)
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, invite)
    caller = Dialog.from_client(alice, invite, ok)
    callee = Dialog.from_server(bob, incoming, answer)
    caller.ack()
    bob.expect_request("ACK")
    return caller, callee


def exchange(dialog, other, method, status=200, **kwargs):
    """One request inside a dialog and its reply."""
    request = dialog.send(method, **kwargs)
    other.reply(other.expect_request(method), status)
    dialog.agent.expect_reply(status, request)


# ---- requests that the server answers itself --------------------------------------------------
SELF = "sip:SERVER"


@table("answered", [
    ("options-self", "OPTIONS", SELF, {}),
    ("options-self-port-and-param", "OPTIONS", SELF + ";transport=udp", {}),
    ("options-user", "OPTIONS", "sip:nobody@SERVER", {}),
    ("options-foreign", "OPTIONS", "sip:x@192.0.2.1", {}),
    ("options-foreign-no-user", "OPTIONS", "sip:192.0.2.1", {}),
    ("options-wrong-port", "OPTIONS", "sip:SERVER-IP:9", {}),
    ("invite-unknown-user", "INVITE", "sip:nobody@SERVER", {}),
    ("invite-foreign", "INVITE", "sip:x@192.0.2.1", {}),
    ("invite-foreign-name", "INVITE", "sip:x@example.invalid", {}),
    ("invite-no-user", "INVITE", SELF, {}),
    ("message-unknown-user", "MESSAGE", "sip:nobody@SERVER", {}),
    ("message-no-user", "MESSAGE", SELF, {}),
    ("publish", "PUBLISH", "sip:nobody@SERVER", {"headers": [("Event", "presence")]}),
    ("subscribe-unknown", "SUBSCRIBE", "sip:nobody@SERVER",
     {"headers": [("Event", "presence"), ("Expires", "600")]}),
    ("subscribe-no-user", "SUBSCRIBE", SELF, {"headers": [("Event", "presence")]}),
    ("subscribe-mwi", "SUBSCRIBE", "sip:nobody@SERVER", {"headers": [("Event", "message-summary")]}),
    ("subscribe-in-dialog-self", "SUBSCRIBE", "sip:nobody@SERVER",
     {"headers": [("Event", "presence")], "to": "<sip:nobody@SERVER>;tag=t"}),
    ("subscribe-in-dialog-mwi", "SUBSCRIBE", "sip:nobody@SERVER",
     {"headers": [("Event", "message-summary")], "to": "<sip:nobody@SERVER>;tag=t"}),
    ("notify-unknown", "NOTIFY", "sip:nobody@SERVER", {"headers": [("Event", "presence")]}),
    ("refer-unknown", "REFER", "sip:nobody@SERVER", {"headers": [("Refer-To", "<sip:x@y>")]}),
    ("bye-no-route", "BYE", "sip:nobody@SERVER", {"to": "<sip:nobody@SERVER>;tag=t"}),
    ("invite-no-route-in-dialog", "INVITE", "sip:x@192.0.2.1", {"to": "<sip:x@192.0.2.1>;tag=t"}),
    ("ack-no-route", "ACK", "sip:nobody@SERVER", {"to": "<sip:nobody@SERVER>;tag=t"}),
    ("ack-no-tag", "ACK", "sip:nobody@SERVER", {}),
    ("unknown-method", "FROBNICATE", "sip:nobody@SERVER", {}),
    ("max-forwards-0", "INVITE", "sip:nobody@SERVER", {"max_forwards": 0}),
    ("max-forwards-0-options", "OPTIONS", SELF, {"max_forwards": 0}),
    ("max-forwards-1", "MESSAGE", "sip:nobody@SERVER", {"max_forwards": 1}),
    ("scanner", "OPTIONS", SELF, {"headers": [("User-Agent", "friendly-scanner")]}),
    ("scanner-case", "REGISTER", SELF, {"headers": [("User-Agent", "SIPVicious 0.3")]}),
    ("register-foreign", "REGISTER", "sip:example.invalid", {}),
    ("cancel-unmatched", "CANCEL", "sip:nobody@SERVER", {}),
    ("tel-uri", "INVITE", "tel:+123456", {}),
    ("sips-uri", "INVITE", "sips:nobody@SERVER", {}),
    ("escaped-user", "MESSAGE", "sip:no%20body@SERVER", {}),
    ("uri-with-password", "MESSAGE", "sip:nobody:secret@SERVER", {}),
    ("uri-with-headers", "MESSAGE", "sip:nobody@SERVER?Subject=x", {}),
    ("upper-case-scheme", "MESSAGE", "SIP:nobody@SERVER", {}),
])
def answered(stage, method, uri, extra):
    def fill(text):
        return text.replace("SERVER-IP", stage.server.address[0]) \
            .replace("SERVER", stage.server.host_port)
    extra = {key: fill(value) if isinstance(value, str) else value
             for key, value in extra.items()}
    ask(stage, method, fill(uri), **extra)


def change(name, value):
    return lambda m: m.set(name, value)


@table("malformed", [
    ("cseq-method", change("CSeq", "1 OPTIONS")),
    ("cseq-text", change("CSeq", "x INVITE")),
    ("cseq-large", change("CSeq", "4294967297 INVITE")),
    ("cseq-no-method", change("CSeq", "1")),
    ("expires-text", lambda m: m.add("Expires", "soon")),
    ("expires-large", lambda m: m.add("Expires", "99999999999")),
    ("length-more", change("Content-Length", "9999")),
    ("length-less", change("Content-Length", "1")),
    ("length-text", change("Content-Length", "abc")),
    ("length-negative", change("Content-Length", "-5")),
    ("no-length", lambda m: m.remove("Content-Length")),
    ("from-empty-uri", change("From", "<sip:>;tag=x")),
    ("from-text", change("From", "hello")),
    ("from-no-tag", change("From", "<sip:a@192.0.2.1>")),
    ("to-bracket", change("To", "<sip:[::1>")),
    ("to-unclosed", change("To", "<sip:a@192.0.2.1")),
    ("to-quoted", change("To", '"A \\"B\\" <c>" <sip:a@192.0.2.1>')),
    ("contact-text", change("Contact", "hello there")),
    ("no-contact", lambda m: m.remove("Contact")),
    ("no-max-forwards", lambda m: m.remove("Max-Forwards")),
    ("max-forwards-text", change("Max-Forwards", "many")),
    ("max-forwards-large", change("Max-Forwards", "300")),
    ("no-call-id", lambda m: m.remove("Call-ID")),
    ("no-cseq", lambda m: m.remove("CSeq")),
    ("no-from", lambda m: m.remove("From")),
    ("no-to", lambda m: m.remove("To")),
    ("empty-call-id", change("Call-ID", "")),
    ("two-cseq", lambda m: m.add("CSeq", "2 INVITE")),
    ("two-to", lambda m: m.add("To", "<sip:other@192.0.2.1>")),
    ("uri-scheme", lambda m: line(m, "http://192.0.2.1/")),
    ("uri-empty-host", lambda m: line(m, "sip:")),
    ("uri-bracket", lambda m: line(m, "sip:x@[::1")),
    ("uri-port", lambda m: line(m, "sip:x@y:port")),
    ("uri-port-large", lambda m: line(m, "sip:x@192.0.2.1:99999")),
    ("version", lambda m: setattr(m, "start_line", m.start_line.replace("SIP/2.0", "SIP/3.0"))),
    ("version-case", lambda m: setattr(m, "start_line", m.start_line.replace("SIP/", "sip/"))),
    ("lower-method", lambda m: setattr(m, "start_line", m.start_line.replace("INVITE", "invite"))),
    ("require", lambda m: m.add("Require", "unheard-of")),
    ("proxy-require", lambda m: m.add("Proxy-Require", "unheard-of")),
])
def malformed(stage, damage):
    alice = stage.agent("alice")
    request = alice.request("INVITE", "sip:nobody@" + stage.server.host_port, body="v=0\r\n")
    damage(request)
    alice.send(request)


def line(message, uri):
    message.start_line = message.start_line.replace(message.uri, uri)


@table("via", [
    ("no-rport", "SIP/2.0/UDP ALICE;branch=z9hG4bKBRANCH"),
    ("other-host", "SIP/2.0/UDP phone.invalid;rport;branch=z9hG4bKBRANCH"),
    ("other-port", "SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKBRANCH"),
    ("no-branch", "SIP/2.0/UDP ALICE;rport"),
    ("old-branch", "SIP/2.0/UDP ALICE;rport;branch=0"),
    ("tcp", "SIP/2.0/TCP ALICE;rport;branch=z9hG4bKBRANCH"),
    ("spaces", "SIP / 2.0 / UDP  ALICE ; rport ; branch = z9hG4bKBRANCH"),
    ("lower-case", "sip/2.0/udp ALICE;RPORT;BRANCH=z9hG4bKBRANCH"),
    ("unknown-parameters", 'SIP/2.0/UDP ALICE;a;rport;b="q;r";branch=z9hG4bKBRANCH;c=d'),
    ("two-in-one", "SIP/2.0/UDP ALICE;rport;branch=z9hG4bKBRANCH, SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKvia-x"),
    ("comment", "SIP/2.0/UDP ALICE;rport;branch=z9hG4bKBRANCH (comment)"),
    ("received-given", "SIP/2.0/UDP ALICE;received=192.0.2.5;rport;branch=z9hG4bKBRANCH"),
    ("maddr", "SIP/2.0/UDP ALICE;maddr=192.0.2.5;rport;branch=z9hG4bKBRANCH"),
    ("broken", "SIP/2.0/UDP ;;;"),
])
def via(stage, text):
    alice = stage.agent("alice")
    request = alice.request("MESSAGE", "sip:nobody@" + stage.server.host_port)
    branch = "%s-own" % stage.name
    request.set("Via", text.replace("ALICE", alice.host_port).replace("BRANCH", branch)
                .replace("via-x", stage.name))
    alice.send(request)


# ---- the registrar ------------------------------------------------------------------------------
@table("register", [
    ("add", [("CONTACT", None, {})]),
    ("expires-header", [("CONTACT", 600, {})]),
    ("expires-parameter", [("CONTACT;expires=120", 600, {})]),
    ("expires-too-long", [("CONTACT", 100000, {})]),
    ("expires-short", [("CONTACT", 10, {})]),
    ("refresh", [("CONTACT", 600, {}), ("CONTACT", 1200, {})]),
    ("refresh-same-call", [("CONTACT", 600, {"call_id": "NAME-c", "cseq": 5}),
                           ("CONTACT", 900, {"call_id": "NAME-c", "cseq": 6})]),
    ("old-cseq", [("CONTACT", 600, {"call_id": "NAME-c", "cseq": 5}),
                  ("CONTACT", 900, {"call_id": "NAME-c", "cseq": 4})]),
    ("same-cseq", [("CONTACT", 600, {"call_id": "NAME-c", "cseq": 5}),
                   ("CONTACT", 900, {"call_id": "NAME-c", "cseq": 5})]),
    ("query", [("CONTACT", 600, {}), (None, None, {})]),
    ("query-empty", [(None, None, {})]),
    ("remove", [("CONTACT", 600, {}), ("CONTACT", 0, {}), (None, None, {})]),
    ("remove-parameter", [("CONTACT", 600, {}), ("CONTACT;expires=0", None, {})]),
    ("remove-unknown", [("CONTACT", 0, {})]),
    ("star", [("CONTACT", 600, {}), ("*", 0, {}), (None, None, {})]),
    ("star-expires", [("*", 60, {})]),
    ("star-no-expires", [("*", None, {})]),
    ("star-and-contact", [("*, CONTACT", 0, {})]),
    ("three", [("CONTACT;q=0.5, <sip:b@192.0.2.2:5070>;q=1.0, <sip:c@192.0.2.3>", 600, {})]),
    ("q-values", [("CONTACT;q=0.123", 600, {}), ("<sip:b@192.0.2.2>;q=0", 600, {})]),
    ("q-wrong", [("CONTACT;q=7", 600, {})]),
    ("remove-one", [("CONTACT, <sip:b@192.0.2.2>", 600, {}), ("<sip:b@192.0.2.2>", 0, {})]),
    ("display-name", [('"A, B" CONTACT', 600, {})]),
    ("no-brackets", [("sip:plain@192.0.2.4;expires=300", 600, {})]),
    ("uri-parameters", [("<sip:u@192.0.2.5:5099;transport=tcp;line=x;ob>", 600, {})]),
    ("instance", [('CONTACT;+sip.instance="<urn:uuid:0-1-2>";reg-id=1', 600,
                   {"headers": [("Supported", "outbound, path")]})]),
    ("gruu", [('CONTACT;+sip.instance="<urn:uuid:0-1-2>"', 600,
               {"headers": [("Supported", "gruu")]})]),
    ("path", [("CONTACT", 600, {"headers": [("Path", "<sip:192.0.2.6;lr>"),
                                            ("Supported", "path")]})]),
    ("path-unsupported", [("CONTACT", 600, {"headers": [("Path", "<sip:192.0.2.6;lr>")]})]),
    ("path-two", [("CONTACT", 600, {"headers": [("Path", "<sip:192.0.2.6;lr>, <sip:192.0.2.7;lr>"),
                                                ("Supported", "path")]})]),
    ("methods", [('CONTACT;methods="INVITE,ACK,BYE"', 600, {})]),
    ("allow", [("CONTACT", 600, {"headers": [("Allow", "INVITE, ACK, BYE, CANCEL")]})]),
    ("user-agent", [("CONTACT", 600, {"headers": [("User-Agent", "phone/1.0")]})]),
    ("bad-contact", [("<sip:>", 600, {})]),
    ("bad-contact-text", [("hello", 600, {})]),
    ("tel-contact", [("<tel:+1234>", 600, {})]),
    ("mailto-contact", [("<mailto:a@example.com>", 600, {})]),
    ("expires-text", [("CONTACT", "later", {})]),
    ("expires-negative", [("CONTACT", -5, {})]),
    ("aor-foreign", [("CONTACT", 600, {"aor": "sip:x@example.invalid"})]),
    ("aor-no-user", [("CONTACT", 600, {"aor": "sip:example.invalid"})]),
    ("long-user", [("CONTACT", 600, {"aor": "sip:" + "u" * 200 + "@example.invalid"})]),
])
def register(stage, rows):
    phone = stage.agent("phone")
    for contact, expires, extra in rows:
        extra = {key: value.replace("NAME", stage.name) if isinstance(value, str) else value
                 for key, value in extra.items()}
        contacts = [contact.replace("CONTACT", phone.contact)] if contact else []
        phone.register(contact=contacts, expires=expires, status=range(200, 700), **extra)


@scenario
def register_twice_from_two_phones(stage):
    one, two = stage.agent("one"), stage.agent("two")
    two.user = one.user
    one.register(expires=600)
    two.register(expires=1200)
    one.register(contact=[])


@scenario
def register_retransmitted(stage):
    phone = stage.agent("phone")
    request = phone.request("REGISTER", "sip:" + phone.domain, to="<%s>" % phone.aor,
                            headers=[("Contact", phone.contact)])
    phone.send(request)
    phone.expect_reply(200, request)
    phone.resend(request)


# ---- calls ----------------------------------------------------------------------------------------
@scenario
def call_ended_by_caller(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    caller, _ = establish(stage, alice, bob)
    exchange(caller, bob, "BYE")


@scenario
def call_ended_by_callee(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    _, callee = establish(stage, alice, bob)
    exchange(callee, alice, "BYE")


@scenario
def requests_in_a_dialog(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    caller, callee = establish(stage, alice, bob)
    for method in ("INFO", "UPDATE", "MESSAGE", "REFER", "NOTIFY", "SUBSCRIBE", "OPTIONS", "PRACK"):
        exchange(caller, bob, method)
        exchange(callee, alice, method)
    for dialog, other in ((caller, bob), (callee, alice)):
        invite = dialog.send("INVITE", body=dialog.agent.sdp())
        other.reply(other.expect_request("INVITE"), 200, body=other.sdp())
        dialog.agent.expect_reply(200, invite)
        dialog.ack()
        other.expect_request("ACK")
    exchange(caller, bob, "BYE", 481)


@scenario
def reinvite_refused(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    caller, _ = establish(stage, alice, bob)
    invite = caller.send("INVITE", body=alice.sdp())
    bob.reply(bob.expect_request("INVITE"), 488)
    alice.expect_reply(488, invite)
    bob.expect_request("ACK")


@table("refused", [(str(status), status) for status in (
    300, 302, 305, 400, 401, 403, 404, 407, 408, 410, 480, 481, 484, 486, 487, 488, 491, 500, 502, 503, 504,
    600, 603, 604, 606)])
def refused(stage, status):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    invite = alice.invite(bob.aor)
    headers = {401: [("WWW-Authenticate", 'Digest realm="r", nonce="n"')],
               407: [("Proxy-Authenticate", 'Digest realm="r", nonce="n"')],
               302: [("Contact", "<sip:x@192.0.2.1>")]}.get(status, [])
    bob.reply(bob.expect_request("INVITE"), status, headers=headers)
    alice.expect_reply(range(300, 700), invite)
    bob.expect_request("ACK")


@table("provisional", [("180", (180,)), ("181-182", (181, 182)), ("183-180", (183, 180)),
                       ("199", (199,)), ("100", (100,)), ("100-180", (100, 180))])
def provisional(stage, statuses):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    for status in statuses:
        bob.reply(incoming, status, headers=[("X-Number", str(status))])
        if status != 100:
            alice.expect_reply(status, invite)
    bob.reply(incoming, 486)
    alice.expect_reply(486, invite)


@scenario
def answer_without_ringing(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 200, body=bob.sdp())
    Dialog.from_client(alice, invite, alice.expect_reply(200, invite)).ack()
    bob.expect_request("ACK")


@scenario
def repeated_200(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    invite, (incoming,) = ring(stage, alice, bob)
    answer = bob.reply(incoming, 200, body=bob.sdp())
    dialog = Dialog.from_client(alice, invite, alice.expect_reply(200, invite))
    bob.send(answer, incoming.source)
    alice.expect_retransmission()
    dialog.ack()
    bob.expect_request("ACK")


@scenario
def repeated_invite(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    invite, (incoming,) = ring(stage, alice, bob)
    alice.send(invite)
    alice.expect_retransmission()
    bob.reply(incoming, 486)
    alice.expect_reply(486, invite)


@table("message", [("200", 200), ("202", 202), ("404", 404), ("486", 486), ("503", 503),
                   ("603", 603)])
def message(stage, status):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    request = alice.send(alice.request("MESSAGE", bob.aor, body="hello",
                                       content_type="text/plain"))
    bob.reply(bob.expect_request("MESSAGE"), status, headers=[("X-Kept", "yes")])
    alice.expect_reply(range(200, 700), request)


@table("passes", [(method.lower(), method) for method in (
    "OPTIONS", "SUBSCRIBE", "NOTIFY", "REFER", "INFO", "UPDATE", "PRACK", "FROBNICATE")])
def passes(stage, method):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    request = alice.send(alice.request(method, bob.aor, headers=[("Event", "presence")]))
    bob.reply(bob.expect_request(method), 200)
    alice.expect_reply(200, request)


@scenario
def contact_that_does_not_take_the_method(stage):
    bob = stage.agent("bob")
    bob.register(contact=bob.contact + ';methods="INVITE,ACK,BYE"')
    alice = stage.agent("alice")
    alice.send(alice.request("MESSAGE", bob.aor))
    alice.expect_any()


@scenario
def contact_behind_a_path(stage):
    bob, edge = stage.agent("bob"), stage.agent("edge")
    bob.register(headers=[("Path", "<sip:%s;lr>" % edge.host_port), ("Supported", "path")])
    alice = stage.agent("alice")
    request = alice.send(alice.request("MESSAGE", bob.aor))
    edge.reply(edge.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, request)


@scenario
def uri_parameters_of_the_contact(stage):
    bob = stage.agent("bob")
    bob.register(contact="<sip:%s@%s;line=abc;ob>" % (bob.user, bob.host_port))
    alice = stage.agent("alice")
    request = alice.send(alice.request("MESSAGE", bob.aor + ";user=phone"))
    bob.reply(bob.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, request)


# ---- CANCEL ------------------------------------------------------------------------------------
@scenario
def cancel_while_ringing(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    invite, (incoming,) = ring(stage, alice, bob)
    alice.expect_reply(200, alice.cancel(invite))
    bob.reply(bob.expect_request("CANCEL"), 200)
    bob.reply(incoming, 487)
    alice.expect_reply(487, invite)
    bob.expect_request("ACK")


@scenario
def cancel_with_reason_and_other_headers(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    invite, (incoming,) = ring(stage, alice, bob)
    cancel = alice.cancel(invite, headers=[
        ("Reason", 'SIP;cause=200;text="Call completed elsewhere"'), ("X-Other", "lost or not")])
    alice.expect_reply(200, cancel)
    bob.reply(bob.expect_request("CANCEL"), 200)
    bob.reply(incoming, 487)
    alice.expect_reply(487, invite)
    bob.expect_request("ACK")


@scenario
def cancel_before_any_reply(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    alice.expect_reply(200, alice.cancel(invite))
    bob.reply(incoming, 180)
    bob.reply(bob.expect_request("CANCEL"), 200)
    bob.reply(incoming, 487)
    alice.expect_reply((180, 487), invite)
    bob.expect_request("ACK")


@scenario
def cancel_crossed_by_200(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    invite, (incoming,) = ring(stage, alice, bob)
    alice.expect_reply(200, alice.cancel(invite))
    bob.reply(bob.expect_request("CANCEL"), 200)
    bob.reply(incoming, 200, body=bob.sdp())
    dialog = Dialog.from_client(alice, invite, alice.expect_reply(200, invite))
    dialog.ack()
    bob.expect_request("ACK")
    exchange(dialog, bob, "BYE")


@scenario
def cancel_after_busy(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    invite, (incoming,) = ring(stage, alice, bob)
    bob.reply(incoming, 486)
    alice.expect_reply(486, invite)
    bob.expect_request("ACK")
    alice.cancel(invite)


@scenario
def cancel_repeated(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    invite, (incoming,) = ring(stage, alice, bob)
    cancel = alice.cancel(invite)
    alice.expect_reply(200, cancel)
    bob.reply(bob.expect_request("CANCEL"), 200)
    alice.send(cancel)
    alice.expect_retransmission()
    bob.reply(incoming, 487)
    alice.expect_reply(487, invite)
    bob.expect_request("ACK")


# ---- two phones ----------------------------------------------------------------------------------
def two_phones(stage):
    alice, one, two = stage.agent("alice"), stage.agent("one"), stage.agent("two")
    two.user = one.user
    one.register(contact=one.contact + ";q=0.9")
    two.register(contact=two.contact + ";q=0.1")
    return alice, one, two


@scenario
def fork_answered(stage):
    alice, one, two = two_phones(stage)
    invite, (first, second) = ring(stage, alice, one, two)
    two.reply(second, 200, body=two.sdp())
    ok = alice.expect_reply(200, invite)
    one.reply(one.expect_request("CANCEL"), 200)
    one.reply(first, 487)
    one.expect_request("ACK")
    dialog = Dialog.from_client(alice, invite, ok)
    dialog.ack()
    two.expect_request("ACK")
    exchange(dialog, two, "BYE")


@scenario
def fork_cancelled(stage):
    alice, one, two = two_phones(stage)
    invite, incoming = ring(stage, alice, one, two)
    alice.expect_reply(200, alice.cancel(invite))
    for phone, request in zip((one, two), incoming):
        phone.reply(phone.expect_request("CANCEL"), 200)
        phone.reply(request, 487)
        phone.expect_request("ACK")
    alice.expect_reply(487, invite)


@table("fork-best", [("%d-%d" % pair, pair) for pair in (
    (486, 404), (404, 486), (503, 486), (486, 503), (408, 480), (500, 404), (486, 302), (401, 486),
    (407, 404), (603, 486), (486, 600), (503, 503), (484, 415), (488, 480), (487, 486))])
def fork_best(stage, statuses):
    alice, one, two = two_phones(stage)
    invite, incoming = ring(stage, alice, one, two)
    for phone, request, status in zip((one, two), incoming, statuses):
        phone.reply(request, status)
        phone.expect_request("ACK|CANCEL")
        if status >= 600:
            break
    else:
        alice.expect_reply(range(300, 700), invite)
        return
    if phone is one:
        two.reply(two.expect_request("CANCEL"), 200)
        two.reply(incoming[1], 487)
    alice.expect_reply(range(300, 700), invite)


@scenario
def fork_message(stage):
    alice, one, two = two_phones(stage)
    request = alice.send(alice.request("MESSAGE", one.aor))
    first, second = one.expect_request("MESSAGE"), two.expect_request("MESSAGE")
    one.reply(first, 404)
    two.reply(second, 200)
    alice.expect_reply(200, request)


# ---- routes --------------------------------------------------------------------------------------
@scenario
def preloaded_route_is_removed(stage):
    alice, bob, other = stage.agent("alice"), stage.phone("bob"), stage.agent("other")
    request = alice.send(alice.request("MESSAGE", bob.aor, headers=[
        ("Route", "<sip:%s;lr>" % stage.server.host_port),
        ("Route", "<sip:%s;lr>" % other.host_port)]))
    bob.reply(bob.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, request)


@table("in-dialog-route", [
    ("further", ["<sip:SERVER;lr>", "<sip:OTHER;lr>"]),
    ("further-one-line", ["<sip:SERVER;lr>, <sip:OTHER;lr>"]),
    ("strict-behind", ["<sip:SERVER;lr>", "<sip:OTHER>"]),
    ("not-us", ["<sip:OTHER;lr>"]),
    ("lr-on", ["<sip:SERVER;lr=on>", "<sip:OTHER;lr=on>"]),
    ("with-user", ["<sip:me@SERVER;lr;ftag=x>", "<sip:OTHER;lr>"]),
    ("us-twice", ["<sip:SERVER;lr>", "<sip:SERVER;lr>", "<sip:OTHER;lr>"]),
    ("display-name", ['"Us, here" <sip:SERVER;lr>', "<sip:OTHER;lr>"]),
])
def in_dialog_route(stage, routes):
    alice, other = stage.agent("alice"), stage.agent("other")
    headers = [("Route", r.replace("SERVER", stage.server.host_port)
                .replace("OTHER", other.host_port)) for r in routes]
    request = alice.send(alice.request("INFO", "sip:target@192.0.2.1", headers=headers,
                                       to="<sip:target@192.0.2.1>;tag=t"))
    other.reply(other.expect_request("INFO"), 200)
    alice.expect_reply(200, request)


@scenario
def strict_route_from_a_strict_router(stage):
    alice, other = stage.agent("alice"), stage.agent("other")
    request = alice.send(alice.request(
        "INFO", "sip:%s;lr" % stage.server.host_port, to="<sip:target@192.0.2.1>;tag=t",
        headers=[("Route", "<sip:target@%s>" % other.host_port)]))
    other.reply(other.expect_request("INFO"), 200)
    alice.expect_reply(200, request)


@scenario
def only_our_route_and_uri_elsewhere(stage):
    alice, other = stage.agent("alice"), stage.agent("other")
    request = alice.send(alice.request(
        "BYE", "sip:other@" + other.host_port, to="<sip:target@192.0.2.1>;tag=t",
        headers=[("Route", "<sip:%s;lr>" % stage.server.host_port)]))
    other.reply(other.expect_request("BYE"), 200)
    alice.expect_reply(200, request)


@scenario
def ack_in_dialog_is_forwarded_statelessly(stage):
    alice, other = stage.agent("alice"), stage.agent("other")
    alice.send(alice.request(
        "ACK", "sip:other@" + other.host_port, to="<sip:target@192.0.2.1>;tag=t",
        headers=[("Route", "<sip:%s;lr>" % stage.server.host_port)]))
    other.expect_request("ACK")


# ---- replies -------------------------------------------------------------------------------------
@table("bad-reply", [
    ("no-cseq", lambda m: m.remove("CSeq")),
    ("no-to", lambda m: m.remove("To")),
    ("from-text", change("From", "hello")),
    ("length", change("Content-Length", "999")),
    ("second-via-gone", lambda m: m.headers.pop(1)),
    ("foreign-branch", lambda m: m.headers[0].__setitem__(
        1, m.headers[0][1].replace("z9hG4bK", "z9hG4bKx"))),
    ("foreign-via", lambda m: m.headers[0].__setitem__(
        1, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKforeign")),
    ("other-cseq-method", change("CSeq", "1 BYE")),
    ("other-call-id", change("Call-ID", "somebody-else")),
])
def bad_reply(stage, damage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    request = alice.send(alice.request("MESSAGE", bob.aor))
    incoming = bob.expect_request("MESSAGE")
    reply = bob.reply_to(incoming, 202)
    damage(reply)
    bob.send(reply, incoming.source)
    stage.settle()
    bob.reply(incoming, 200)
    alice.expect_reply((200, 202))


@scenario
def stray_reply(stage):
    alice, bob = stage.agent("alice"), stage.agent("bob")
    request = alice.request("MESSAGE", "sip:x@" + stage.server.host_port)
    request.headers.insert(0, ["Via", "SIP/2.0/UDP %s;branch=z9hG4bK%s-stray"
                               % (stage.server.host_port, stage.name)])
    bob.send(bob.reply_to(request, 200), stage.server.address)


# ---- shape of messages ---------------------------------------------------------------------------
@scenario
def compact_headers_pass(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    request = alice.request("INVITE", bob.aor, body=alice.sdp())
    short = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Content-Length": "l",
             "Contact": "m", "Content-Type": "c"}
    request.headers = [[short.get(name, name), value] for name, value in request.headers]
    alice.send(request)
    bob.reply(bob.expect_request("INVITE"), 486)
    alice.expect_reply(486, request)


@scenario
def folded_and_odd_headers_pass(stage):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    request = alice.request("MESSAGE", bob.aor, headers=[
        ("Subject", "one two"), ("X-Empty", ""), ("x-lower", "a,b , c"), ("X-UTF8", "ä ö ü"),
        ("Supported", "timer"), ("Supported", "100rel, path")])
    raw = request.encode().replace(b"one two", b"one\r\n two").replace(b"X-Empty: ", b"X-Empty :")
    alice.send(raw, stage.server.address)
    bob.reply(bob.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, request)


@table("body", [("none", 0), ("small", 100), ("mtu", 1500), ("large", 8000)])
def body(stage, size):
    alice, bob = stage.agent("alice"), stage.phone("bob")
    request = alice.send(alice.request("MESSAGE", bob.aor, body="x" * size,
                                       content_type="text/plain"))
    bob.reply(bob.expect_request("MESSAGE"), 200, body="y" * size)
    alice.expect_reply(200, request)
