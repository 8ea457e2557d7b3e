# SPDX-License-Identifier: BSD-2-Clause
"""Every allocation on the way of a request fails once in turn: whoever asked gets an answer, the next
request is served as always, and nothing stays behind."""
import ctypes
import glob
import mmap
import select
import time

import pytest
from settings import PROXY, head
from sipua import Agent, Dialog, Message

pytestmark = pytest.mark.viaduct_only("the plan is ours (core/base/fault.h)")

CONFIG = head("jsonrpcs", tm__fr_timer=400, tm__fr_inv_timer=3000, tm__retr_timer1=50, tm__retr_timer2=100,
              tm__wt_timer=200, children=1).replace("children=1", "workers=1") + PROXY + """
route[RELAY] {
	$avp(who) = $fU;
	$xavp(call=>to) = $rU;
	append_hf("X-Seen: $ci\\r\\n");
	t_on_branch("MARK");
	t_on_reply("NOTE");
	if ($rU == "busy") {
		t_on_failure("ELSEWHERE");
		append_branch("sip:" + $rU + "-2@" + $hdr(X-Second));
	}
	if (!t_relay()) sl_reply_error();
	exit;
}
branch_route[MARK] { append_hf("X-Branch: $T_branch_idx\\r\\n"); }
onreply_route[NOTE] { append_hf("X-Status: $rs $avp(who)\\r\\n"); }
failure_route[ELSEWHERE] {
	if ($T_reply_code == 486) {
		$ru = "sip:last@" + $hdr(X-Second);
		t_relay();
	}
}
"""
AGAIN = 0.05          # a client repeats its request so soon
PATIENCE = 3.0


class Plan:
    """The file that the server counts down."""

    class Layout(ctypes.Structure):
        _fields_ = [("countdown", ctypes.c_int64), ("passed", ctypes.c_uint64), ("failed", ctypes.c_uint64),
                    ("wants_trace", ctypes.c_uint64)]

    def __init__(self, path):
        with open(path, "wb") as out:
            out.write(bytes(4096))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)
        self.at = self.Layout.from_buffer(self.map)


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setenv("VIADUCT_FAULT_PLAN", str(tmp_path / "plan"))
    return Plan(tmp_path / "plan")


class Stage:
    """A caller, two phones that answer by themselves, and what they do about losses."""

    def __init__(self, server):
        self.server = server
        self.caller, self.phone, self.second = (Agent(name, server=server.address)
                                                for name in ("caller", "phone", "second"))
        self.agents = (self.caller, self.phone, self.second)
        self.answers = {}     # user part of the Request-URI: statuses to answer with
        self.unheard = {}     # final replies to INVITE that wait for their ACK: (agent, request, status)
        self.invites = {}
        self.again = 0

    def close(self):
        for agent in self.agents:
            agent.close()

    def serve(self, agent):
        """Answers what came; a repeated request gets its answers again."""
        waiting, agent.retransmissions, agent.inbox = agent.retransmissions + agent.inbox, [], []
        for message in waiting:
            if not message.is_request:
                continue
            if message.method == "ACK":
                self.unheard.pop((agent.user, message.call_id), None)
                continue
            if message.method == "CANCEL":
                agent.reply(message, 200)
                if (agent.user, message.call_id) in self.invites:
                    self.end(agent, self.invites[agent.user, message.call_id], 487)
                continue
            if message.method == "INVITE":
                self.invites[agent.user, message.call_id] = message
            for status in self.answers.get(message.uri.split(":")[1].split("@")[0], (200,)):
                self.end(agent, message, status)

    def end(self, agent, message, status):
        agent.reply(message, status, to_tag="of-" + agent.user)
        if message.method == "INVITE" and status >= 200:
            self.unheard[agent.user, message.call_id] = (agent, message, status)

    def repeat(self, request):
        if time.monotonic() < self.again:
            return
        self.again = time.monotonic() + AGAIN
        self.caller.send(request)
        for agent, message, status in self.unheard.values():
            agent.reply(message, status, to_tag="of-" + agent.user)

    def ask(self, request, statuses=()):
        """Sends a request until its final answer is there, or one of `statuses`, which is returned."""
        end, self.again = time.monotonic() + PATIENCE, 0
        while time.monotonic() < end:
            self.repeat(request)
            ready = select.select([a.socket for a in self.agents], [], [], 0.005)[0]
            for agent in self.agents:
                if agent.socket in ready:
                    agent.read(0)
                if agent is not self.caller:
                    self.serve(agent)
            for reply in self.caller.inbox:
                if not reply.is_request and reply.branch == request.branch and reply.cseq == request.cseq and (
                        reply.status >= 200 or reply.status in statuses):
                    self.caller.inbox.remove(reply)
                    return reply
        raise AssertionError("no answer to %s; seen by\n%s" % (request.summary(), "\n".join(
            agent.user + ":\n" + agent.history() for agent in self.agents)))

    def forget(self):
        self.answers, self.unheard, self.invites = {}, {}, {}
        for agent in self.agents:
            while agent.read(0):
                pass
            agent.inbox, agent.trace, agent.retransmissions = [], [], []
            agent.sent_invites.clear()
            agent.seen.clear()

    def request(self, method, user, **kwargs):
        return self.caller.request(method, "sip:%s@%s" % (user, self.server.host_port),
                                   headers=[("X-Second", self.second.host_port)], **kwargs)


# ---- what is done; each gives the statuses that the caller heard last ----

def registering(stage):
    phone = stage.phone
    request = stage.caller.request("REGISTER", "sip:" + stage.server.host_port, to="<%s>" % phone.aor,
                                   headers=[("Contact", phone.contact + ";expires=60")], call_id="phone",
                                   cseq=int(time.monotonic() * 1000) & 0x7fffffff)
    return [stage.ask(request).status]


def relaying(stage):
    return [stage.ask(stage.request("MESSAGE", "phone", body="hello", content_type="text/plain")).status]


def forking(stage):
    """Two are busy, the third takes it."""
    stage.answers = {"busy": (486,), "busy-2": (486,), "last": (202,)}
    return [stage.ask(stage.request("MESSAGE", "busy")).status]


def calling(stage):
    stage.answers = {"phone": (180, 200)}
    invite = stage.request("INVITE", "phone", body=stage.caller.sdp())
    reply = stage.ask(invite)
    if reply.status != 200:
        return [reply.status]
    stage.answers = {}
    dialog = Dialog.from_client(stage.caller, invite, reply)
    dialog.ack()
    return [reply.status, stage.ask(dialog.request("BYE")).status]


def cancelling(stage):
    stage.answers = {"phone": (180,)}
    invite = stage.request("INVITE", "phone", body=stage.caller.sdp())
    reply = stage.ask(invite, statuses=(100, 180))
    if reply.status >= 200:
        return [reply.status]
    cancel = Message("CANCEL %s SIP/2.0" % invite.uri, [
        (name, invite[name] if name != "CSeq" else "1 CANCEL")
        for name in ("Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq")] + [("Content-Length", "0")])
    heard = stage.ask(cancel).status
    return [heard, stage.ask(invite).status] if heard == 200 else [heard]


SCENARIOS = {registering: [200], relaying: [200], forking: [202], calling: [200, 200], cancelling: [200, 487]}
REFUSALS = {500, 503}
# Where failure_route cannot send it elsewhere, what came stays true.
FALLBACK = {forking: {486}}


def count(server, name):
    return int(server.rpc("tm.stats")[name])


def wait_until_idle(server):
    deadline = time.monotonic() + 20
    while count(server, "current") or count(server, "waiting"):
        assert time.monotonic() < deadline, server.rpc("tm.stats")
        time.sleep(0.02)


def story(server):
    """What is known after a failure: what was logged, and who died of what."""
    text = ""
    for path in glob.glob(server.rundir + "/crash-*"):
        with open(path, errors="replace") as file:
            text += file.read()
    return text + server.log()


def processes(server):
    return sorted(str(row) for row in server.rpc("core.psx"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
def test_every_allocation_may_fail(plan, start_server, scenario):
    server = start_server(CONFIG)
    server.allow(".*")
    stage, usual = Stage(server), SCENARIOS[scenario]
    assert registering(stage) == [200]
    if scenario is forking:
        stage.phone.user = "busy"
        assert registering(stage) == [200]
        stage.phone.user = "phone"
    for _ in range(2):
        assert scenario(stage) == usual
        stage.forget()
    wait_until_idle(server)
    used, alive = int(server.rpc("core.shmmem")["used"]), processes(server)
    number, refused = 0, 0
    while plan.at.countdown == 0:
        number += 1
        failed = plan.at.failed
        plan.at.countdown = number
        try:
            heard = scenario(stage)
        except AssertionError as problem:
            raise AssertionError("allocation %d: %s\n%s" % (number, problem, story(server))) from None
        if plan.at.failed == failed:
            plan.at.countdown = 0
            assert heard == usual
            break
        refused += heard != usual
        assert heard == usual or heard[-1] in REFUSALS | FALLBACK.get(scenario, set()), "allocation %d: %s\n%s" % (number, heard, story(server))
        stage.forget()
        assert processes(server) == alive, "allocation %d: %s" % (number, story(server))
        assert number < 3000
    assert number > 20 and refused > 0
    stage.forget()
    assert scenario(stage) == usual
    wait_until_idle(server)
    assert int(server.rpc("core.shmmem")["used"]) == used
    assert server.rpc("core.shm_check") == 0
    assert processes(server) == alive
    stage.close()
