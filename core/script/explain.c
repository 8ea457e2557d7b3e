/* SPDX-License-Identifier: BSD-2-Clause */
/* --explain CODE: what a diagnostic means and what to do. */
#include "core/script/compile.h"

static const struct {
	const char *code, *text;
} rows[] = {
	{ "assignment-in-condition",
	  "A single = inside a condition assigns. The condition then tests the assigned"
	  " value, and the variable has changed for the rest of the script. Write == to"
	  " compare." },
	{ "bad-address", "The text is neither an IP address nor a network (address/bits or "
			 "address/mask)." },
	{ "bad-argument",
	  "The argument cannot be converted to what the function's parameter expects. "
	  "Constants are converted once, when the script is compiled." },
	{ "bad-assignment",
	  "Only variables ($x) can be assigned in routes. Parameters such as debug= are"
	  " set outside of routes." },
	{ "bad-case", "The labels of one switch are constants of one kind: all numbers, or all "
		      "texts and patterns." },
	{ "bad-define-name",
	  "Names of defines consist of letters, digits and underscores and do not begin"
	  " with a digit." },
	{ "bad-endpoint", "Addresses to listen on have the form [proto:]host[:port]." },
	{ "bad-expression", "The expression of #!ifexp or #!defexp cannot be evaluated." },
	{ "bad-flag", "Flags have names and numbers from 0 to 31." },
	{ "bad-listen", "The server cannot listen on this address." },
	{ "bad-module", "The file is no module of this server." },
	{ "bad-operator", "This core keyword cannot be compared with that operator." },
	{ "bad-option", "An option of the command line is malformed." },
	{ "bad-parameter", "The core parameter cannot have this value." },
	{ "bad-pattern",
	  "The operator =~ takes POSIX extended regular expressions, without regard to "
	  "case." },
	{ "bad-setting", "The module's parameter cannot have this value." },
	{ "bad-subst", "Substitutions have the form /pattern/replacement/flags with any separator "
		       "and the flags i and g." },
	{ "bad-text", "The text of a setting is malformed." },
	{ "bad-transformation", "The transformation has wrong arguments." },
	{ "bad-value", "The value can never be equal to this core keyword." },
	{ "bad-variable",
	  "The variable is written wrongly: name, index, or an unclosed parenthesis or "
	  "brace." },
	{ "condition-depth", "Too many #!ifdef are nested." },
	{ "constant-condition",
	  "The condition does not depend on anything, so it is always true or always "
	  "false. Texts are false." },
	{ "define-depth", "Defines refer to each other too deeply." },
	{ "define-glued",
	  "The name of a define ends at the first character that is no letter, digit or _; what follows "
	  "is its value. Defines take no arguments." },
	{ "define-twice",
	  "#!define does not replace an existing name. Use #!redefine to replace it or "
	  "#!trydef to keep the first value." },
	{ "deprecated", "The function still works but has a successor." },
	{ "division-by-zero",
	  "The divisor is the constant 0. While running, the assignment fails and the "
	  "target keeps its value." },
	{ "duplicate-case", "The same label stands twice in one switch; the second could never be "
			    "reached." },
	{ "duplicate-flag", "A flag name is declared once." },
	{ "duplicate-route", "Two routes of the same kind have the same name." },
	{ "extra-brace", "A closing brace has no opening one. Often a block above was closed too "
			 "early." },
	{ "function-context",
	  "The function does not work in this kind of route, for example because there "
	  "is no transaction or the message is a reply." },
	{ "include-depth", "Files include each other too deeply, or one includes itself." },
	{ "keyword-context",
	  "snd_ip and its kin describe the sending side and exist only in onsend_route." },
	{ "missing-brace",
	  "A block is not closed before the next route begins or the file ends. The "
	  "message names the brace that is probably open." },
	{ "missing-endif",
	  "Every #!ifdef, #!ifndef and #!ifexp needs an #!endif in the same file." },
	{ "missing-module",
	  "The variable or transformation is provided by a module that is not loaded." },
	{ "missing-semicolon",
	  "Statements end with a semicolon, also the last one before a closing brace." },
	{ "module-abi", "The module was built for another version of the server." },
	{ "module-cycle", "Modules need each other in a circle." },
	{ "module-failed", "The module refused its settings." },
	{ "module-needs", "A module needs another one that is not loaded." },
	{ "module-not-loaded", "modparam names a module that was not loaded before." },
	{ "module-twice", "The module is loaded twice." },
	{ "nearly-defined",
	  "A conditional asks for a name that nobody defines, while a very similar one "
	  "is defined. The text below it is skipped." },
	{ "needs-restart",
	  "A reload replaces the routes only. This parameter, module or socket takes "
	  "effect after a restart." },
	{ "no-answer", "No statement that request_route can reach sends a reply, forwards the "
		       "request or ends the script on purpose. Clients then repeat their requests "
		       "until they give up." },
	{ "no-environment", "#!defenv needs the environment variable; #!trydefenv does not." },
	{ "no-file", "The file cannot be read. Names are tried as given, then relative to the "
		     "including file." },
	{ "no-memory", "There is not enough memory for the compiled script." },
	{ "pattern-class",
	  "\\d and other classes of Perl do not exist in POSIX patterns. Write [0-9]." },
	{ "read-only", "This variable can be read but not assigned." },
	{ "removed-keyword", "This keyword of older versions does not exist any more." },
	{ "second-request-route",
	  "There are two request_route blocks; the statements of the second run after "
	  "those of the first." },
	{ "stray-break", "Outside of switch and while, break leaves the route with code 0, and the "
			 "caller goes on. continue needs a while around it." },
	{ "stray-else", "#!else stands between a conditional and its #!endif, once." },
	{ "stray-endif", "There is no open conditional in this file." },
	{ "syntax", "The text does not follow the grammar here. The message says what was found "
		    "and what could stand there." },
	{ "too-complex", "One expression needs more than 250 intermediate values." },
	{ "too-many-modules", "There is a limit to the number of modules." },
	{ "type-mismatch",
	  "The left operand decides the type of an expression. A constant on the right "
	  "that does not fit is refused when the script is compiled." },
	{ "typographic-quote",
	  "Quotes that word processors and web pages make are no quotes for the script."
	  " Replace them by the plain ones." },
	{ "unclosed-comment", "A comment that begins with /* ends with */; comments nest." },
	{ "unclosed-string", "A string has no closing quote." },
	{ "unclosed-variable", "The parentheses of a variable must close on the same line." },
	{ "undefined-name",
	  "A bare word stands where a value is needed, and no #!define gives it one." },
	{ "unexpected-byte", "This character has no meaning outside of strings and comments." },
	{ "unknown-directive",
	  "The line looks like a directive of the preprocessor but is none, so it is a "
	  "comment." },
	{ "unknown-event", "No loaded module announces this event route, so nobody runs it." },
	{ "unknown-flag", "The flag is neither a number nor declared with flags." },
	{ "unknown-function",
	  "No loaded module provides this function. Check the spelling, or load the "
	  "module that the hint names." },
	{ "unknown-host",
	  "Host names in conditions are looked up once, when the script is compiled. "
	  "This one has no address then." },
	{ "unknown-module", "There is no such module in the load path." },
	{ "unknown-parameter", "There is no such parameter." },
	{ "unknown-route", "A route that is called or armed must exist." },
	{ "unknown-setting", "The module has no such parameter." },
	{ "unknown-transformation", "There is no such transformation." },
	{ "unknown-variable",
	  "There is no such variable. A bare unknown name is read as an AVP, as older "
	  "scripts expect." },
	{ "unknown-word", "A bare word in an expression is a core keyword such as method or uri; "
			  "everything else is quoted, or begins with a dollar sign." },
	{ "unreachable",
	  "The statement stands behind one that never goes on: exit, return, drop or "
	  "break." },
	{ "unused-route", "No statement calls or arms this route." },
	{ "useless-undef", "#!undef has nothing to undo; perhaps the name is misspelt." },
	{ "variable-context", "The variable has no value in this kind of route." },
	{ "wrong-arity", "The function does not take this number of arguments." },
};

const char *script_explain(const char *code)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].code, code) == 0)
			return rows[i].text;
	return NULL;
}

const char *script_explain_code(unsigned i)
{
	return i < sizeof(rows) / sizeof(rows[0]) ? rows[i].code : NULL;
}
