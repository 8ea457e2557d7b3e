# SPDX-License-Identifier: BSD-2-Clause
"""A stranger sends odd and damaged messages to a script that does with them all that scripts do, while workers
are killed or stopped and the script is loaded anew. Nothing dies by itself, and afterwards all is well: no
transaction and no dialog is left, what lies in shared memory agrees with itself, calls work.

MUTATIONS_S: seconds of traffic; MUTATIONS_SEED: another one. With VIADUCT_BUILD=build-asan it also finds what
does not kill at once."""
import os
import random
import re
import signal
import socket
import time

import pytest
from settings import START, head
from soak import figure
from sipua.dns import DnsServer
from sipua.mutations import Mutations
from sipua.server import free_address

SECONDS = float(os.environ.get("MUTATIONS_S", "20"))
SEED = int(os.environ.get("MUTATIONS_SEED", "1"))
MODULES = ("nathelper", "path", "sdpops", "uac", "dialog", "htable", "auth", "acc",
           "ipops", "ctl", "jsonrpcs")
SETTINGS = dict(
    tm__fr_timer=300, tm__fr_inv_timer=800, tm__wt_timer=200, tm__contacts_avp='"tm_contacts"',
    tm__contact_flows_avp='"tm_flows"', usrloc__nat_bflag=6, nathelper__received_avp='"$avp(rcv)"',
    registrar__received_avp='"$avp(rcv)"', registrar__gruu_enabled=1, registrar__use_path=1, path__use_received=1,
    rr__append_fromtag=1, htable__htable='"a=>size=8;autoexpire=5;"', acc__log_flag=1, acc__log_missed_flag=2,
    acc__log_extra='"user=$fU;agent=$ua;value=$hdr(X-A)"')

# Each is written once for a header of the stranger's.
TRANSFORMATIONS = """
	s.len s.md5 s.sha256 s.crc32 s.int s.escape.common s.unescape.common s.escape.param s.unescape.param s.escape.user
	s.unescape.user s.escape.csv s.encode.hexa s.decode.hexa s.encode.base64 s.decode.base64 s.trim s.select,1,, s.select,-1,;
	s.substr,2,5 s.substr,-3,2 s.strip,3 s.striptail,3 s.tolower s.toupper s.replace,a,bb s.numeric s.rm,a s.unquote
	s.before,= s.after,= s.fmtlines,9,3 s.fmtlinet,9,3 s.corehash,8 param.value,a param.name,1 param.valueat,0 param.count
	param.in,a re.subst,/a(.)/\\1b/g nameaddr.name nameaddr.uri nameaddr.len tobody.uri tobody.tag tobody.params uri.user
	uri.host uri.port uri.params uri.param,lr uri.scheme uri.tosocket line.count line.at,1 line.at,-1 line.sw,a urialias.encode
""".split()
VARIABLES = """$rm $ru $rU $rd $rp $rP $fu $fU $fd $fn $ft $tu $tU $td $tn $tt $ci $cs $ct $cT $cl $ua $si $sp $Ri $Rp $rb
	$ml $mb $ds $du $br $bs $re $rr $rs $rt $ai $pU $ou $oU $od $rz $rv $adu $aU $au $ar $di $dd $dir $mt $rmid""".split()
SELECTS = """@via.host @via[1].received @contact.uri.host @from.tag @msg.body @ruri.params
	@proxy_authorization.username @cseq.num @record_route.uri @to.uri.params""".split()
LOOKS = "\n".join(
    ['\t$var(t) = "" + $(hdr(X-A){%s});' % name for name in TRANSFORMATIONS]
    + ['\t$var(t) = "" + %s;' % name for name in VARIABLES + SELECTS]
    + ['\t$var(t) = "" + %s;' % name for name in ("$(hdr(X-A)[-1])", "$(hdr(X-A)[*])", "$hdrc(Via)", "$(hdr(Via)[1])")])
EDITS = """
	search("X-A:.*b"); search_body("m=audio"); search_append("X-B: ", "zz"); search_hf("X-A", "b", "a");
	replace("foo", "bar"); replace_all("aaa", "b"); replace_body("a=", "b="); replace_hdrs("Subject", "Object");
	subst('/X-Foo:(.*)/X-Bar:\\1/g'); subst_body('/c=IN IP4 ([0-9.]+)/c=IN IP4 127.9.9.9/g');
	subst_hf("X-A", "/a/b/", "a"); subst_uri('/sip:(.*)@(.*)/sip:\\1x@\\2/i'); subst_user('/^0/1/');
	append_hf("P-X: $ci\\r\\n"); append_hf("P-Y: $fU\\r\\n", "Call-ID"); insert_hf("P-W: $hdr(X-B)\\r\\n", "Via");
	remove_hf("X-C"); remove_hf_re("^X-D"); remove_hf_exp("^X-", "^X-[AD]"); append_to_reply("P-R: $ru\\r\\n");
	append_hf_value("X-B", "c=d"); insert_hf_value("X-B[0]", "x"); exclude_hf_value("Supported", "path");
	include_hf_value("Supported", "gruu"); remove_hf_value2("X-A.b"); assign_hf_value2("X-B", "n");
	hf_iterator_start("i");
	while (hf_iterator_next("i")) if ($hfitname(i) == "X-E") hf_iterator_rm("i");
	hf_iterator_end("i");
	bl_iterator_start("b");
	while (bl_iterator_next("b")) {
		if ($blitval(b) =~ "^a=ptime") bl_iterator_rm("b");
		if ($blitval(b) =~ "^a=rtpmap") bl_iterator_append("b", "a=foo\\r\\n");
	}
	bl_iterator_end("b");
	if (has_body("application/sdp")) {
		sdp_remove_codecs_by_name("PCMU"); sdp_remove_codecs_by_id("8,18"); sdp_keep_codecs_by_name("G729,opus", "audio");
		sdp_with_media("video"); sdp_remove_media("video"); sdp_with_transport("RTP/SAVP"); sdp_get("$avp(sdp)");
		sdp_with_ice(); sdp_remove_line_by_prefix("a=x"); sdp_with_codecs_by_name("PCMA"); sdp_remove_transport("RTP/AVPF");
		fix_nated_sdp("15", "127.9.9.9");
	}
	if ($hdr(X-Do) == "parts") {
		set_body_multipart("$rb", "application/sdp", "bb"); append_body_part("abc", "text/plain", "attachment");
		get_body_part("application/sdp", "$var(part)"); remove_body_part("text/plain");
	}
	if ($hdr(X-Do) == "filter") filter_body("application/sdp");
	msg_apply_changes();
	encode_contact("enc", "127.1.1.1"); contact_param_encode("p", "$fU"); contact_param_decode("p"); contact_param_rm("x");
	uri_param("transport"); add_uri_param("a=b"); is_uri_user_e164("$ru"); append_rpid_hf(); decode_contact_header();
	set_contact_alias(); handle_ruri_alias(); add_contact_alias(); fix_nated_contact(); cmp_uri("$ru", "sip:a@b");
"""
ROUTES = """
request_route {""" + START + LOOKS + """
	$avp(a) = $hdr(X-B); $(avp(a)[*]) = "z"; $xavp(c=>d) = $hdr(X-A); $xavp(c[0]=>e) = 5;
	$sht(a=>$ci) = $hdr(X-A); $sht(a=>k$hdr(X-B)) = $null; $vn(q) = $hdr(X-B);
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	sanity_check("17895", "7");
	force_rport();
	if (nat_uac_test("127")) { fix_nated_register(); add_rcv_param(); }
""" + EDITS + """
	if (is_method("REGISTER")) {
		if ($hdr(X-Do) == "auth" && !pv_www_authenticate("example.com", "abc", "0")) {
			www_challenge("example.com", "1");
			exit;
		}
		if (!save("location")) sl_reply_error();
		reg_fetch_contacts("location", "$tu", "c"); registered("location");
		exit;
	}
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	if (has_totag()) {
		if (loose_route()) {
			check_route_param("ftag=x"); is_direction("upstream"); add_rr_param(";n=y");
			t_on_reply("BACK");
			t_relay();
		} else if (!is_method("ACK")) {
			sl_send_reply("404", "Not here");
		} else if (t_check_trans()) {
			t_relay();
		}
		exit;
	}
	t_check_trans();
	if (is_method("PUBLISH|SUBSCRIBE|MESSAGE|INFO|OPTIONS") && $hdr(X-Do) != "next") {
		sl_send_reply("200", "OK $rU");
		exit;
	}
	setflag(1); setflag(2);
	if ($hdr(X-Do) == "dialog") { dlg_manage(); $dlg_var(a) = $hdr(X-A); }
	if ($hdr(X-Do) == "uac") { uac_replace_from("$hdr(X-B)", "sip:x@y.z"); uac_replace_to("n", "sip:q@w.e"); }
	if ($hdr(X-Do) == "path") { add_path("u"); add_path_received(); }
	if ($hdr(X-Do) == "auth" && !pv_proxy_authenticate("$fd", "abc", "0")) {
		proxy_challenge("$fd", "17");
		exit;
	}
	record_route(";a=b");
	lookup("location");
	if ($hdr(X-Do) == "next") {
		$du = $hdr(X-B); $ru = $hdr(X-A); $rU = $null; $fn = "N"; $fu = $hdr(X-A); $tu = "sip:t@t";
	}
	append_branch("sip:b@PHONE"); append_branch();
	$branch(uri) = "sip:c@PHONE"; $(branch(q)[0]) = "500";
	$ru = "sip:a@PHONE;x=y"; $du = $null;
	if ($hdr(X-Do) == "serial") { t_load_contacts(); t_next_contacts(); }
	t_on_branch("BRANCH"); t_on_failure("FIRST"); t_on_reply("BACK");
	t_set_fr("800", "300");
	if (!t_relay()) sl_reply_error();
}
branch_route[BRANCH] {
	append_hf("P-B: $T_branch_idx $ru\\r\\n"); remove_hf("X-B"); $ru = $ru + ";z=1"; uac_replace_from("B", "sip:br@x");
}
onreply_route[BACK] {
	append_hf("P-O: $rs\\r\\n"); subst('/a/b/'); fix_nated_contact(); fix_nated_sdp("10", "127.9.9.9"); remove_hf("Server");
	sdp_remove_codecs_by_name("PCMU"); replace_body("m=", "m=");
	if (status =~ "18[0-9]") change_reply_status("183", "Foo $rs");
	if ($hdr(X-Do) == "drop" && status =~ "1..") drop;
}
failure_route[FIRST] {
	if (t_is_canceled()) exit;
	if (t_any_timeout()) {
		t_reply("480", "T $T_reply_code");
		exit;
	}
	append_hf("P-F: $T_reply_code $T_rpl($rr)\\r\\n");
	append_branch("sip:e@PHONE");
	t_next_contacts();
	t_on_failure("SECOND");
	t_relay();
}
failure_route[SECOND] { t_reply("603", "Decline"); }
reply_route { $var(r) = $rs + $ct; append_hf("P-G: g\\r\\n"); }
"""
pytestmark = pytest.mark.viaduct_only("the peer does not replace its processes")


def open_socket(address=("127.0.0.1", 0)):
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind(address)
    opened.setblocking(False)
    return opened


def received(source):
    while True:
        try:
            yield source.recvfrom(65535)
        except (BlockingIOError, ConnectionRefusedError):
            return


class Trouble:
    """Now and then something happens to a worker, or the script is loaded anew."""

    def __init__(self, server):
        self.server, self.random = server, random.Random(SEED)
        self.kills = self.loads = 0
        self.next_kill = self.next_load = time.monotonic() + 1

    def workers(self):
        with open("/proc/%d/task/%d/children" % (2 * (self.server.process.pid,))) as children:
            for child in children.read().split():
                with open("/proc/%s/comm" % child) as name:
                    if "worker" in name.read():
                        yield int(child)

    def step(self):
        now = time.monotonic()
        if now > self.next_kill:
            self.next_kill = now + self.random.uniform(.05, .5)
            how = self.random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
            try:
                os.kill(self.random.choice(list(self.workers())), how)
                self.kills += 1
            except (IndexError, OSError):
                pass  # it died meanwhile
        if now > self.next_load:
            self.next_load = now + 3
            os.kill(self.server.process.pid, signal.SIGHUP)
            self.loads += 1


def in_flight(server):
    return server.rpc("tm.stats")["current"] + server.rpc("dlg.stats_active")["all"]


@pytest.mark.parametrize("troubled", [False, True], ids=["traffic", "traffic_and_deaths"])
def test_all_is_well_after_odd_and_damaged_messages(troubled, start_server, agent):
    phone_address = free_address("127.0.0.1")
    phone, client = open_socket(phone_address), open_socket()
    with DnsServer({}) as dns:
        server = start_server(
            head(*MODULES, **SETTINGS) + 'debug=-3\nwatchdog_timeout=1000\ndns_servers="%s"\n' % dns.address
            + ROUTES.replace("PHONE", "%s:%d" % phone_address))
        server.allow(".")
        source, trouble = Mutations(SEED, client.getsockname(), server.address), Trouble(server)
        sent = answers = 0
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            client.sendto(source.message()[:65000], server.address)
            sent += 1
            for message, _ in received(client):
                source.saw(message)
                answers += 1
            for message, sender in received(phone):
                source.saw(message)
                if not message.startswith(b"SIP/2.0"):
                    for reply in source.replies_to(message):
                        phone.sendto(reply[:65000], sender)
            if troubled:
                trouble.step()
            if sent % 20 == 0:
                time.sleep(.004)
        deadline = time.monotonic() + 90  # a request whose worker died is forgotten after 32 s
        while in_flight(server) and time.monotonic() < deadline:
            time.sleep(.5)
        assert in_flight(server) == 0
        assert server.rpc("core.shm_check") == 0
        alice = agent("alice", server=server)
        alice.send(alice.request("OPTIONS", server.uri("harness-ready")), server.address)
        assert alice.expect_any().status == 200
        log = server.log()
        assert "BUG" not in log and "runtime error" not in log, log[-4000:]
        assert troubled or not re.search("was killed by signal|Sanitizer", log), log[-4000:]
    assert sent > 100 * SECONDS and answers > sent / 20
    figure("%d odd and damaged messages, %d answers, %d workers killed or stopped, the script loaded %d times: nothing "
           "left in flight, shared memory sound", sent, answers, trouble.kills, trouble.loads)
