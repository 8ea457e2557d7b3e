# SPDX-License-Identifier: BSD-2-Clause
"""Module auth_xkeys: servers that share keys recognize each other by a signed header."""
import pytest
from settings import START, head
from sipua.digest import hasher
from sipua.server import Server

KEYS = ['id=core;name=old;value=\\"first secret\\";expires=72000', "id=core;name=new;value=second;expires=1",
        "id=edge;name=one;value=edge"]
SETTINGS = "".join('modparam("auth_xkeys", "xkey", "%s")\n' % key for key in KEYS)
CONFIG = head("auth_xkeys").replace('loadmodule "auth_xkeys.so"\n', 'loadmodule "auth_xkeys.so"\n' + SETTINGS) + """
request_route {
""" + START + """
	$var(rc) = "-";
	$avp(target) = $hdr(X-Target);
	if ($hdr(X-Do) == "add") {
		auth_xkeys_add("$hdr(X-Name)", "$hdr(X-Group)", "$hdr(X-Algorithm)", "$hdr(X-Data):$fU:$hdr(CSeq)");
		$var(rc) = $rc;
	}
	if ($hdr(X-Do) == "check") {
		auth_xkeys_check("$hdr(X-Name)", "$hdr(X-Group)", "$hdr(X-Algorithm)", "$hdr(X-Data):$fU:$hdr(CSeq)");
		$var(rc) = $rc;
	}
	append_hf("X-RC: $var(rc)\\r\\n");
	$du = "sip:" + $avp(target);
	t_on_reply("SIGN");
	t_relay();
}
onreply_route[SIGN] {
	auth_xkeys_add("X-Signed", "edge", "sha256", "$rs:$ci");
}
"""
ALLOWED = ["unknown algorithm", "the algorithm is", "is no name of a header", "error parsing header name"]
DATA = "some data"


class Pair:
    def __init__(self, agent):
        self.alice, self.bob = agent("alice"), agent("bob")

    def pass_on(self, do, header="X-Key", group="core", algorithm="sha256", data=DATA, headers=()):
        """The request as it comes out of the server."""
        request = self.alice.request("OPTIONS", "sip:bob@example.org", headers=[
            ("X-Target", self.bob.host_port), ("X-Do", do), ("X-Name", header), ("X-Group", group),
            ("X-Algorithm", algorithm), ("X-Data", data)] + list(headers))
        self.alice.send(request)
        seen = self.bob.expect_request("OPTIONS")
        self.bob.reply(seen, 200)
        self.reply = self.alice.expect_reply(200, request)
        return seen

    def signed(self, secret, algorithm="sha256", data=DATA):
        return hasher({"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}[algorithm])(
            "%s:%s:alice:1 OPTIONS" % (secret, data))


@pytest.fixture
def pair(agent, server):
    return Pair(agent)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_newest_key_signs(pair, algorithm):
    seen = pair.pass_on("add", algorithm=algorithm)
    assert seen["X-RC"] == "1" and seen["X-Key"] == pair.signed("second", algorithm)


@pytest.mark.parametrize("change", [
    {"group": "none"}, {"group": ""}, {"algorithm": "md5"}, {"algorithm": ""}])
def test_nothing_is_added_without_key_or_algorithm(pair, change):
    seen = pair.pass_on("add", **change)
    assert seen["X-RC"] == "-1" and not seen.all("X-Key")


@pytest.mark.viaduct_only("the peer adds a line that is no header")
@pytest.mark.parametrize("name", ["", "X-Key:", "X Key", "a@b"])
def test_name_must_be_that_of_a_header(pair, name):
    lines = len(pair.pass_on("none").headers)
    seen = pair.pass_on("add", header=name)
    assert seen["X-RC"] == "-1" and len(seen.headers) == lines


def test_names_of_groups_and_algorithms_have_no_case(pair):
    seen = pair.pass_on("add", group="CORE", algorithm="SHA256")
    assert seen["X-Key"] == pair.signed("second")


def test_reply_is_signed(pair):
    pair.pass_on("none")
    assert pair.reply["X-Signed"] == hasher("SHA-256")("edge:200:%s" % pair.reply.call_id)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("secret,result", [
    ("second", "1"), ("first secret", "1"), ("edge", "-1"), ("third", "-1")])
def test_every_key_of_the_group_is_good(pair, secret, result, algorithm):
    value = pair.signed(secret, algorithm)
    assert pair.pass_on("check", algorithm=algorithm, headers=[("X-Key", value)])["X-RC"] == result


@pytest.mark.parametrize("damage,result", [
    (str.upper, "1"), (lambda v: v + "  ", "1"), (lambda v: v[:-1], "-1"), (lambda v: v + "0", "-1"),
    (lambda v: '"%s"' % v, "-1"), (lambda v: "", "-1"), (lambda v: "f" * 4000, "-1"),
    (lambda v: v[:-1] + ("0" if v[-1] != "0" else "1"), "-1")],
    ids=["upper-case", "spaces", "short", "long", "quoted", "empty", "huge", "last-digit"])
def test_damaged_values(pair, damage, result):
    value = damage(pair.signed("second"))
    assert pair.pass_on("check", headers=[("X-Key", value)])["X-RC"] == result


@pytest.mark.parametrize("change", [
    {"header": "X-Other"}, {"header": ""}, {"group": "edge"}, {"group": "none"}, {"algorithm": "sha512"},
    {"algorithm": "md5"}, {"data": "other data"}])
def test_other_questions_are_not_answered(pair, change):
    headers = [("X-Key", pair.signed("second"))]
    assert pair.pass_on("check", headers=headers)["X-RC"] == "1"
    assert pair.pass_on("check", headers=headers, **change)["X-RC"] == "-1"


def test_first_header_counts(pair):
    right = ("X-Key", pair.signed("second"))
    assert pair.pass_on("check", headers=[("X-Key", "wrong"), right])["X-RC"] == "-1"
    assert pair.pass_on("check", header="x-key", headers=[right, ("X-Key", "wrong")])["X-RC"] == "1"


def test_header_stays_for_the_script_to_remove(pair):
    value = pair.signed("second")
    assert pair.pass_on("check", headers=[("X-Key", value)])["X-Key"] == value


@pytest.mark.parametrize("key", ["id=a;name=b", "id=a;value=c", "name=b;value=c", "id=a;name=b;value=", "junk", ""])
def test_incomplete_keys_are_refused(program, key):
    with pytest.raises(AssertionError) as refused:
        Server(CONFIG.replace(KEYS[2], key), program).discard()
    if program == "viaduct":
        assert "id=GROUP;name=KEY;value=SECRET" in str(refused.value)
