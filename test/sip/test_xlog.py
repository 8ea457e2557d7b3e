# SPDX-License-Identifier: BSD-2-Clause
"""Module xlog: levels, forms of the arguments, prefix, methods_filter."""
import pytest
from settings import START

MODULES = ("tm", "sl", "pv", "textops", "xlog")


def config(route, debug=2, **settings):
    lines = ["#!KAMAILIO", "debug=%d" % debug, "log_stderror=yes", "children=1", "auto_aliases=no",
             "disable_tcp=yes"] + ['loadmodule "%s.so"' % name for name in MODULES]
    lines += ['modparam("xlog", "%s", %s)' % pair for pair in settings.items()]
    return "\n".join(lines) + "\nrequest_route {" + START + route \
        + '\tsl_send_reply("200", "Done");\n}\n'


def ask(agent, server, method="MESSAGE", **request):
    alice = agent("alice", server=server)
    request = alice.request(method, "sip:bob@example.com", **request)
    alice.send(request, server.address)
    alice.expect_any()
    return request


LINES = [
    ('xlog("plain $rm\\n");', r"ERROR: <script>: plain MESSAGE"),
    ('xlog("L_WARN", "warned $rU");', r"WARNING: <script>: warned bob"),
    ('xlog("L_INFO", "two\\n");', r"INFO: <script>: two"),
    ('$var(level) = 1; xlog("$var(level)", "from a variable");',
     r"NOTICE: <script>: from a variable"),
    ('xlog("LOG_LOCAL3", "L_NOTICE", "with a facility");',
     r"NOTICE: <script>: with a facility"),
    ('xinfo("info");', r"INFO: <script>: info"),
    ('xnotice("notice");', r"NOTICE: <script>: notice"),
    ('xwarn("warn");', r"WARNING: <script>: warn"),
    ('xerr("err");', r"ERROR: <script>: err"),
    ('xcrit("crit");', r"CRITICAL: <script>: crit"),
    ('xbug("bug");', r"BUG: <script>: bug"),
    ('xalert("alert");', r"ALERT: <script>: alert"),
]


def test_forms_and_levels(agent, start_server):
    server = start_server(config("".join("\t%s\n" % line for line, _ in LINES)))
    server.allow(".*")
    ask(agent, server)
    for line, pattern in LINES:
        assert server.wait_log(pattern), line


def test_level_above_the_threshold_is_silent(agent, start_server):
    server = start_server(config("""
	xdbg("should not be seen");
	xlog("L_DBG", "should not be seen");
	xinfo("seen");
""", debug=2))
    ask(agent, server)
    server.wait_log("seen")
    assert "should not be seen" not in server.log()


@pytest.mark.viaduct_only("the peer expands the text of lines that are off as well")
def test_text_of_a_silent_line_is_not_expanded(agent, start_server):
    server = start_server(config("""
	$var(n) = 0;
	xdbg("$(var(n){s.int}) $avp(none)");
	xinfo("seen");
"""))
    ask(agent, server)
    server.wait_log("seen")


def test_prefix_is_replaced(agent, start_server):
    server = start_server(config('\txinfo("line");\n', prefix='"-own: "'))
    ask(agent, server)
    server.wait_log(r"INFO: -own: line")


def test_prefix_holds_variables(agent, start_server):
    server = start_server(config('\txinfo("line");\n', prefix='"[$rm] "', prefix_mode=1))
    ask(agent, server)
    server.wait_log(r"INFO: \[MESSAGE\] line")


def test_line_is_cut_at_buf_size(agent, start_server):
    server = start_server(config('\txinfo("0123456789%s");\n' % ("x" * 200), buf_size=64))
    server.allow(".*")
    ask(agent, server)
    assert "x" * 60 not in server.log()


def test_xlogl_tells_the_line(agent, start_server):
    server = start_server(config('\txlogl("L_INFO", "where");\n\txdbgl("nowhere");\n'))
    ask(agent, server)
    server.wait_log(r"INFO: <script>: [0-9]+:\s?where")


def test_xlogm_leaves_methods_out(agent, start_server):
    server = start_server(config('\txlogm("L_INFO", "method $rm");\n', methods_filter=256))
    ask(agent, server, "MESSAGE")
    ask(agent, server, "INFO")
    server.wait_log("method INFO")
    assert "method MESSAGE" not in server.log()


@pytest.mark.viaduct_only("the peer writes what it was sent as it is")
def test_what_a_stranger_sends_makes_no_line_of_its_own(agent, start_server):
    server = start_server(config('\t$var(n) = 1 + $rb;\n\txinfo("end");\n'))
    server.allow(".*")
    ask(agent, server, body=b"x\r\nERROR: forged\x1b[2J", content_type="text/plain")
    server.wait_log("end")
    assert r'"x\r\nERROR: forged\x1b[2J" is used as a number' in server.log()


def test_lines_of_the_script_are_written_as_they_are(agent, start_server):
    server = start_server(config('\txinfo("body $rb");\n'))
    server.allow(".*")
    ask(agent, server, body=b"one\r\ntwo", content_type="text/plain")
    server.wait_log("two")
    assert "<script>: body one\ntwo" in server.log().replace("\r", "")
