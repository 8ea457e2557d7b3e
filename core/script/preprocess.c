/* SPDX-License-Identifier: BSD-2-Clause */
/* Directives: conditional text, defines, includes. */
#include "core/script/config_names.h"
#include "core/script/lexer.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct diagnostic *complain(struct lexer *lexer, const char *code, struct source_position at,
				   struct span text)
{
	lexer->source->has_syntax_errors = true;
	return diagnostic_add(lexer->diagnostics, SEVERITY_ERROR, code, at, "%.*s",
			      SPAN_ARGS(text));
}

/* ---- names ---------------------------------------------------------------------------------- */

struct define *preprocess_find(const struct lexer *lexer, struct span name)
{
	for (struct define *define = lexer->defines; define; define = define->next)
		if (span_equal(define->name, name))
			return define;
	return NULL;
}

bool preprocess_define(struct lexer *lexer, struct span name, struct span value, bool replace,
		       struct source_position at)
{
	struct define *define = preprocess_find(lexer, name);
	if (define && !replace) {
		struct diagnostic *d = complain(
			lexer, "define-twice", at,
			arena_printf(lexer->arena, "`%.*s` is defined twice", SPAN_ARGS(name)));
		diagnostic_hint(
			lexer->diagnostics, d,
			"first at line %u; #!redefine replaces it, #!trydef keeps the first",
			define->at.line);
		return false;
	}
	if (!define) {
		define = ARENA_NEW(lexer->arena, struct define);
		if (!define)
			return false;
		define->next = lexer->defines;
		define->name = arena_copy(lexer->arena, name);
		lexer->defines = define;
	}
	define->value = value.len ? arena_copy(lexer->arena, value) : SPAN_OF("");
	config_define_set(name, value);
	define->at = at;
	return true;
}

static void undefine(struct lexer *lexer, struct span name, bool must_exist,
		     struct source_position at)
{
	for (struct define **link = &lexer->defines; *link; link = &(*link)->next) {
		if (span_equal((*link)->name, name)) {
			*link = (*link)->next;
			config_define_remove(name);
			return;
		}
	}
	if (must_exist)
		diagnostic_add(lexer->diagnostics, SEVERITY_WARNING, "useless-undef", at,
			       "`%.*s` is not defined, so nothing is undone", SPAN_ARGS(name));
}

void preprocess_predefine(struct lexer *lexer)
{
	static const char *const names[][2] = {
		{ "KAMAILIO_5", "" },     { "KAMAILIO_5_6", "" },
		{ "KAMAILIO_5_6_3", "" }, { "KAMAILIO_VERSION", "5006003" },
		{ "OS_NAME", "linux" },   { "VIADUCT", "" }
	};
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		preprocess_define(lexer, span_from(names[i][0]), span_from(names[i][1]), true,
				  (struct source_position){ 0 });
}

/* ---- small texts of directives -------------------------------------------------------------- */

static bool is_name_char(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_';
}

/* Takes a word off the front. */
static struct span take_word(struct span *text)
{
	*text = span_trim(*text);
	size_t len = 0;
	while (len < text->len && !ascii_is_space(text->at[len]))
		len++;
	struct span word = span_slice(*text, 0, len);
	*text = span_trim(span_slice(*text, len, text->len));
	return word;
}

/* Takes a name off the front, as the peer cuts it: what follows, "(b) c" in "A(b) c", is the value. A
 * word that "-" goes on with is no name and comes as a whole. */
static struct span take_name(struct span *text)
{
	struct span all = span_trim(*text);
	size_t len = 0;
	while (len < all.len && is_name_char(all.at[len]))
		len++;
	if (len == 0 || (len < all.len && all.at[len] == '-'))
		return take_word(text);
	*text = span_trim(span_slice(all, len, all.len));
	return span_slice(all, 0, len);
}

/* A macro with arguments, as in C, was perhaps meant. */
static void lint_value(struct lexer *lexer, struct span name, struct span value,
		       struct source_position at)
{
	const char *next = name.at + name.len;
	if (!value.len || value.at != next)
		return;
	struct diagnostic *d =
		diagnostic_add(lexer->diagnostics, SEVERITY_WARNING, "define-glued", at,
			       "`%.*s` stands for `%.*s`", SPAN_ARGS(name), SPAN_ARGS(value));
	diagnostic_hint(lexer->diagnostics, d,
			*next == '(' ? "defines take no arguments; a blank after the name says so"
				     : "a blank after the name makes that clear");
}

static bool is_name(struct span text)
{
	size_t digits = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (!is_name_char(text.at[i]))
			return false;
		digits += ascii_is_digit(text.at[i]);
	}
	return text.len > digits;
}

static bool check_name(struct lexer *lexer, struct span name, struct source_position at)
{
	if (is_name(name))
		return true;
	complain(lexer, "bad-define-name", at,
		 name.len ? arena_printf(lexer->arena,
					 "`%.*s` is no name: letters, digits and _ only",
					 SPAN_ARGS(name))
			  : SPAN_OF("a name is missing after this directive"));
	return false;
}

/* Without the backslashes that continue lines. */
static struct span join_lines(struct lexer *lexer, struct span text)
{
	if (span_find(text, '\\', 0) == text.len)
		return text;
	struct writer w = writer_in_arena(lexer->arena, text.len + 1);
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '\\' && i + 1 < text.len && text.at[i + 1] == '\n')
			i++;
		else if (text.at[i] == '\\' && i + 2 < text.len && text.at[i + 1] == '\r' &&
			 text.at[i + 2] == '\n')
			i += 2;
		else
			writer_char(&w, text.at[i]);
	}
	struct span joined = writer_result(&w);
	return joined.at ? joined : SPAN_OF("");
}

/* ---- conditionals --------------------------------------------------------------------------- */

bool preprocess_is_skipping(const struct lexer *lexer)
{
	return lexer->condition_count > 0 && !lexer->conditions[lexer->condition_count - 1].is_true;
}

static void begin_condition(struct lexer *lexer, bool is_true, struct span text,
			    struct source_position at)
{
	bool outer = !preprocess_is_skipping(lexer);
	if (lexer->condition_count == CONDITIONS_MAX) {
		complain(lexer, "condition-depth", at, SPAN_OF("conditionals are nested too deep"));
		return;
	}
	lexer->conditions[lexer->condition_count++] =
		(struct condition){ .at = at,
				    .is_true = outer && is_true,
				    .was_true = !outer || is_true,
				    .text = arena_copy(lexer->arena, text) };
}

static void else_condition(struct lexer *lexer, struct source_position at)
{
	if (lexer->condition_count <= lexer->scan->conditions) {
		complain(lexer, "stray-else", at, SPAN_OF("#!else without #!ifdef"));
		return;
	}
	struct condition *condition = &lexer->conditions[lexer->condition_count - 1];
	if (condition->in_else) {
		complain(lexer, "stray-else", at,
			 arena_printf(lexer->arena,
				      "a second #!else for the conditional of line %u",
				      condition->at.line));
	} else {
		condition->in_else = true;
		condition->is_true = !condition->was_true;
	}
}

static void end_condition(struct lexer *lexer, struct source_position at)
{
	if (lexer->condition_count <= lexer->scan->conditions)
		complain(lexer, "stray-endif", at, SPAN_OF("#!endif without #!ifdef"));
	else
		lexer->condition_count--;
}

void preprocess_end_of_file(struct lexer *lexer)
{
	while (lexer->condition_count > lexer->scan->conditions) {
		struct condition *condition = &lexer->conditions[--lexer->condition_count];
		complain(lexer, "missing-endif", condition->at,
			 SPAN_OF("this conditional has no #!endif before the end of the file"));
	}
}

static void note_asked(struct lexer *lexer, struct span name, struct source_position at)
{
	struct asked_name *asked = ARENA_NEW(lexer->arena, struct asked_name);
	if (!asked)
		return;
	*asked = (struct asked_name){ lexer->asked, arena_copy(lexer->arena, name), at };
	lexer->asked = asked;
}

static bool differs_only_in_digits(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (a.at[i] != b.at[i] && !(ascii_is_digit(a.at[i]) && ascii_is_digit(b.at[i])))
			return false;
	return true;
}

/* A name that no define has but that is one slip away from one that is defined. */
void preprocess_lint(struct lexer *lexer)
{
	for (struct asked_name *asked = lexer->asked; asked; asked = asked->next) {
		if (preprocess_find(lexer, asked->name) || asked->name.len < 4)
			continue;
		for (struct define *define = lexer->defines; define; define = define->next) {
			if (!define->at.file || differs_only_in_digits(define->name, asked->name) ||
			    (name_distance(define->name, asked->name, 2) > 1 &&
			     !span_equal_nocase(define->name, asked->name)))
				continue;
			struct diagnostic *d = diagnostic_add(
				lexer->diagnostics, SEVERITY_WARNING, "nearly-defined", asked->at,
				"`%.*s` is never defined", SPAN_ARGS(asked->name));
			diagnostic_hint(lexer->diagnostics, d,
					"did you mean `%.*s`, defined at line %u?",
					SPAN_ARGS(define->name), define->at.line);
			break;
		}
	}
}

void preprocess_hint_undefined(struct lexer *lexer, struct diagnostic *diagnostic, struct span name)
{
	for (struct skipped_define *skipped = lexer->source->skipped; skipped;
	     skipped = skipped->next) {
		if (!span_equal(skipped->name, name))
			continue;
		diagnostic_hint(lexer->diagnostics, diagnostic,
				"`%.*s` is set under %.*s at line %u, which is not active",
				SPAN_ARGS(name), SPAN_ARGS(skipped->condition), skipped->at.line);
		return;
	}
	for (struct define *define = lexer->defines; define; define = define->next) {
		if (define->at.file && name_distance(define->name, name, 3) <= 1 + (name.len > 8)) {
			diagnostic_hint(lexer->diagnostics, diagnostic, "did you mean `%.*s`?",
					SPAN_ARGS(define->name));
			return;
		}
	}
}

/* ---- directives ----------------------------------------------------------------------------- */

enum directive {
	DIRECTIVE_MODE,
	DIRECTIVE_IFDEF,
	DIRECTIVE_IFNDEF,
	DIRECTIVE_IFEXP,
	DIRECTIVE_ELSE,
	DIRECTIVE_ENDIF,
	DIRECTIVE_DEFINE,
	DIRECTIVE_TRYDEF,
	DIRECTIVE_REDEF,
	DIRECTIVE_UNDEF,
	DIRECTIVE_TRYUNDEF,
	DIRECTIVE_SUBST,
	DIRECTIVE_SUBSTDEF,
	DIRECTIVE_SUBSTDEFS,
	DIRECTIVE_DEFENV,
	DIRECTIVE_DEFENVS,
	DIRECTIVE_TRYDEFENV,
	DIRECTIVE_TRYDEFENVS,
	DIRECTIVE_DEFEXP,
	DIRECTIVE_DEFEXPS,
	DIRECTIVE_INCLUDE,
	DIRECTIVE_IMPORT,
	DIRECTIVE_INCLUDES,
	DIRECTIVE_IMPORTS,
};

static const struct {
	const char *name;
	enum directive directive;
} directives[] = {
	{ "KAMAILIO", DIRECTIVE_MODE },
	{ "SER", DIRECTIVE_MODE },
	{ "OPENSER", DIRECTIVE_MODE },
	{ "ALL", DIRECTIVE_MODE },
	{ "MAXCOMPAT", DIRECTIVE_MODE },
	{ "VIADUCT", DIRECTIVE_MODE },
	{ "ifdef", DIRECTIVE_IFDEF },
	{ "ifndef", DIRECTIVE_IFNDEF },
	{ "ifexp", DIRECTIVE_IFEXP },
	{ "else", DIRECTIVE_ELSE },
	{ "endif", DIRECTIVE_ENDIF },
	{ "define", DIRECTIVE_DEFINE },
	{ "def", DIRECTIVE_DEFINE },
	{ "trydefine", DIRECTIVE_TRYDEF },
	{ "trydef", DIRECTIVE_TRYDEF },
	{ "redefine", DIRECTIVE_REDEF },
	{ "redef", DIRECTIVE_REDEF },
	{ "undefine", DIRECTIVE_UNDEF },
	{ "undef", DIRECTIVE_UNDEF },
	{ "tryundefine", DIRECTIVE_TRYUNDEF },
	{ "tryundef", DIRECTIVE_TRYUNDEF },
	{ "subst", DIRECTIVE_SUBST },
	{ "substdef", DIRECTIVE_SUBSTDEF },
	{ "substdefs", DIRECTIVE_SUBSTDEFS },
	{ "defenv", DIRECTIVE_DEFENV },
	{ "defenvs", DIRECTIVE_DEFENVS },
	{ "trydefenv", DIRECTIVE_TRYDEFENV },
	{ "trydefenvs", DIRECTIVE_TRYDEFENVS },
	{ "defexp", DIRECTIVE_DEFEXP },
	{ "defexps", DIRECTIVE_DEFEXPS },
	{ "include_file", DIRECTIVE_INCLUDE },
	{ "import_file", DIRECTIVE_IMPORT },
	{ "include_files", DIRECTIVE_INCLUDES },
	{ "import_files", DIRECTIVE_IMPORTS },
};

static struct span quoted(struct lexer *lexer, struct span text)
{
	struct writer w = writer_in_arena(lexer->arena, text.len + 3);
	writer_char(&w, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '"' || text.at[i] == '\\')
			writer_char(&w, '\\');
		writer_char(&w, text.at[i]);
	}
	writer_char(&w, '"');
	return writer_result(&w);
}

/* defenv = [ NAME "=" ] VARIABLE */
static void define_from_environment(struct lexer *lexer, struct span text, bool quote,
				    bool must_exist, struct source_position at)
{
	struct span name = take_word(&text), variable = name;
	size_t equals = span_find(name, '=', 0);
	if (equals < name.len) {
		variable = span_slice(name, equals + 1, name.len);
		name = span_slice(name, 0, equals);
	}
	if (!check_name(lexer, name, at))
		return;
	char *key = arena_string(lexer->arena, variable);
	const char *value = key ? getenv(key) : NULL;
	if (!value) {
		if (must_exist)
			complain(lexer, "no-environment", at,
				 arena_printf(lexer->arena,
					      "the environment has no variable `%.*s`",
					      SPAN_ARGS(variable)));
		return;
	}
	preprocess_define(lexer, name, quote ? quoted(lexer, span_from(value)) : span_from(value),
			  !must_exist, at);
}

static void define_from_expression(struct lexer *lexer, struct span text, bool quote,
				   struct source_position at)
{
	struct span name = take_word(&text);
	struct value value;
	const char *error;
	if (!check_name(lexer, name, at))
		return;
	if (!ifexp_evaluate(lexer, text, &value, &error)) {
		complain(lexer, "bad-expression", at, span_from(error));
		return;
	}
	struct span result = value.kind == VALUE_INT
				     ? arena_printf(lexer->arena, "%lld", (long long)value.number)
				     : value.text;
	preprocess_define(lexer, name, quote ? quoted(lexer, result) : result, false, at);
}

static void define_name(struct lexer *lexer, enum directive directive, struct span text,
			struct source_position at)
{
	struct span name = take_name(&text);
	if (!check_name(lexer, name, at))
		return;
	lint_value(lexer, name, text, at);
	if (directive == DIRECTIVE_TRYDEF && preprocess_find(lexer, name))
		return;
	preprocess_define(lexer, name, join_lines(lexer, text), directive == DIRECTIVE_REDEF, at);
}

static void define_subst(struct lexer *lexer, struct span text, bool is_define, bool quote,
			 struct source_position at)
{
	struct span name = { 0 }, value = { 0 };
	text = span_trim(text);
	if (text.len >= 2 && (text.at[0] == '"' || text.at[0] == '\'')) {
		size_t end = text.len - 1;
		while (end > 1 && text.at[end] != text.at[0])
			end--;
		text = span_slice(text, 1, end - 1);
	}
	const char *error = subst_add(lexer, text, at, &name, &value);
	if (error) {
		struct diagnostic *d = complain(
			lexer, "bad-subst", at,
			arena_printf(lexer->arena, "this substitution is malformed: %s", error));
		diagnostic_hint(
			lexer->diagnostics, d,
			"it has the form \"/pattern/replacement/flags\" with flags i and g");
	} else if (is_define && is_name(name)) {
		preprocess_define(lexer, name, quote ? quoted(lexer, value) : value, false, at);
	}
}

static void evaluate_condition(struct lexer *lexer, struct span text, struct source_position at)
{
	struct value value = { 0 };
	const char *error;
	bool is_true = false;
	if (!preprocess_is_skipping(lexer)) {
		if (ifexp_evaluate(lexer, text, &value, &error))
			is_true = value.kind == VALUE_INT ? value.number != 0 : value.text.len > 0;
		else
			complain(lexer, "bad-expression", at, span_from(error));
	}
	begin_condition(lexer, is_true, text, at);
}

static void act(struct lexer *lexer, enum directive directive, struct span text,
		struct source_position at)
{
	switch (directive) {
	case DIRECTIVE_MODE:
	case DIRECTIVE_IFDEF:
	case DIRECTIVE_IFNDEF:
	case DIRECTIVE_IFEXP:
	case DIRECTIVE_ELSE:
	case DIRECTIVE_ENDIF:
		break; /* done by the caller, because they count in skipped text as well */
	case DIRECTIVE_DEFINE:
	case DIRECTIVE_TRYDEF:
	case DIRECTIVE_REDEF: define_name(lexer, directive, text, at); break;
	case DIRECTIVE_UNDEF:
	case DIRECTIVE_TRYUNDEF:
		undefine(lexer, take_name(&text), directive == DIRECTIVE_UNDEF, at);
		break;
	case DIRECTIVE_SUBST:
	case DIRECTIVE_SUBSTDEF:
	case DIRECTIVE_SUBSTDEFS:
		define_subst(lexer, text, directive != DIRECTIVE_SUBST,
			     directive == DIRECTIVE_SUBSTDEFS, at);
		break;
	case DIRECTIVE_DEFENV:
	case DIRECTIVE_DEFENVS:
	case DIRECTIVE_TRYDEFENV:
	case DIRECTIVE_TRYDEFENVS:
		define_from_environment(
			lexer, text,
			directive == DIRECTIVE_DEFENVS || directive == DIRECTIVE_TRYDEFENVS,
			directive == DIRECTIVE_DEFENV || directive == DIRECTIVE_DEFENVS, at);
		break;
	case DIRECTIVE_DEFEXP:
	case DIRECTIVE_DEFEXPS:
		define_from_expression(lexer, text, directive == DIRECTIVE_DEFEXPS, at);
		break;
	case DIRECTIVE_INCLUDE:
	case DIRECTIVE_IMPORT:
	case DIRECTIVE_INCLUDES:
	case DIRECTIVE_IMPORTS:
		if (text.len >= 2 && (text.at[0] == '"' || text.at[0] == '\''))
			text = span_slice(text, 1, span_find(text, text.at[0], 1) - 1);
		preprocess_include(lexer, text,
				   directive == DIRECTIVE_INCLUDE ||
					   directive == DIRECTIVE_INCLUDES,
				   directive >= DIRECTIVE_INCLUDES, at);
		break;
	}
}

static void note_skipped(struct lexer *lexer, struct span text, struct source_position at)
{
	struct skipped_define *skipped = ARENA_NEW(lexer->arena, struct skipped_define);
	struct span name = take_name(&text);
	unsigned i = lexer->condition_count;
	while (i > 1 && !lexer->conditions[i - 2].is_true)
		i--;
	if (!skipped)
		return;
	*skipped = (struct skipped_define){ lexer->source->skipped, arena_copy(lexer->arena, name),
					    lexer->conditions[i - 1].text, at };
	lexer->source->skipped = skipped;
}

static bool find_directive(struct span word, enum directive *out_directive)
{
	for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++) {
		if (span_equal(span_from(directives[i].name), word)) {
			*out_directive = directives[i].directive;
			return true;
		}
	}
	return false;
}

/* A comment that looks like a misspelt directive. */
static void lint_directive(struct lexer *lexer, struct span word, struct source_position at)
{
	for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++) {
		struct span name = span_from(directives[i].name);
		if (word.len < 4 || directives[i].directive == DIRECTIVE_MODE ||
		    name_distance(word, name, 2) > 1)
			continue;
		struct diagnostic *d = diagnostic_add(
			lexer->diagnostics, SEVERITY_WARNING, "unknown-directive", at,
			"`%.*s` is no directive, so this line is a comment", SPAN_ARGS(word));
		diagnostic_hint(lexer->diagnostics, d, "did you mean `%s`?", directives[i].name);
		return;
	}
}

static void begin_named_condition(struct lexer *lexer, bool wanted, struct span text,
				  struct source_position at)
{
	struct span name = take_name(&text);
	if (!name.len)
		complain(lexer, "bad-define-name", at,
			 SPAN_OF("a name is missing after this directive"));
	else
		note_asked(lexer, name, at);
	begin_condition(lexer, (preprocess_find(lexer, name) != NULL) == wanted, name, at);
}

/* The word after #! or !!, and what follows it. */
static struct span directive_word(struct span line, size_t *out_indent, struct span *out_rest)
{
	size_t indent = 0, len = 0;
	while (indent < line.len && (line.at[indent] == ' ' || line.at[indent] == '\t'))
		indent++;
	struct span text = span_slice(line, indent + 2, line.len);
	while (len < text.len && is_name_char(text.at[len]))
		len++;
	*out_indent = indent;
	*out_rest = span_trim(span_slice(text, len, text.len));
	return span_slice(text, 0, len);
}

bool preprocess_is_conditional(struct span line)
{
	enum directive directive;
	struct span rest;
	size_t indent;
	return find_directive(directive_word(line, &indent, &rest), &directive) &&
	       ((directive >= DIRECTIVE_IFDEF && directive <= DIRECTIVE_ENDIF) ||
		directive >= DIRECTIVE_INCLUDE);
}

bool preprocess_directive(struct lexer *lexer, struct span line, struct source_position at)
{
	enum directive directive;
	size_t indent;
	struct span text, word = directive_word(line, &indent, &text);
	at.column += (uint32_t)indent;
	at.length = (uint32_t)(word.len + 2);
	if (!find_directive(word, &directive)) {
		if (!preprocess_is_skipping(lexer))
			lint_directive(lexer, word, at);
		return false;
	}
	if (directive == DIRECTIVE_IFDEF || directive == DIRECTIVE_IFNDEF)
		begin_named_condition(lexer, directive == DIRECTIVE_IFDEF, text, at);
	else if (directive == DIRECTIVE_IFEXP)
		evaluate_condition(lexer, text, at);
	else if (directive == DIRECTIVE_ELSE)
		else_condition(lexer, at);
	else if (directive == DIRECTIVE_ENDIF)
		end_condition(lexer, at);
	else if (!preprocess_is_skipping(lexer))
		act(lexer, directive, text, at);
	else if (directive >= DIRECTIVE_DEFINE && directive <= DIRECTIVE_REDEF)
		note_skipped(lexer, text, at);
	return true;
}

void preprocess_option(struct lexer *lexer, const struct script_define *define)
{
	struct source_position nowhere = { 0 };
	size_t equals = span_find(define->text, '=', 0);
	switch (define->kind) {
	case DEFINE_NAME:
		if (check_name(lexer, span_slice(define->text, 0, equals), nowhere))
			preprocess_define(lexer, span_slice(define->text, 0, equals),
					  span_slice(define->text, equals + 1, define->text.len),
					  true, nowhere);
		break;
	case DEFINE_SUBST:
	case DEFINE_SUBSTDEF:
	case DEFINE_SUBSTDEFS:
		define_subst(lexer, define->text, define->kind != DEFINE_SUBST,
			     define->kind == DEFINE_SUBSTDEFS, nowhere);
		break;
	}
}

/* ---- files ---------------------------------------------------------------------------------- */

static bool read_all(int fd, char *into, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t got = read(fd, into + done, size - done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

bool preprocess_open(struct lexer *lexer, struct span path, const struct source_file **out_file)
{
	enum { MOST_BYTES = 64 << 20 };
	char *name = arena_string(lexer->arena, path);
	struct source_file *file = ARENA_NEW(lexer->arena, struct source_file);
	if (!name || !file)
		return false;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat status;
	if (fd < 0)
		return false;
	bool ok =
		fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= MOST_BYTES;
	size_t size = ok ? (size_t)status.st_size : 0;
	char *text = ok ? arena_alloc(lexer->arena, size + 1) : NULL;
	ok = text && read_all(fd, text, size);
	if (!ok && errno == 0)
		errno = EINVAL;
	close(fd);
	if (!ok)
		return false;
	text[size] = 0;
	*file = (struct source_file){ name, { text, size } };
	*out_file = file;
	return true;
}

static unsigned include_depth(const struct lexer *lexer)
{
	unsigned depth = 0;
	for (const struct scan *scan = lexer->scan; scan; scan = scan->outer)
		depth += scan->define == NULL;
	return depth;
}

static bool is_open(const struct lexer *lexer, const char *path)
{
	for (const struct scan *scan = lexer->scan; scan; scan = scan->outer)
		if (!scan->define && strcmp(scan->file->path, path) == 0)
			return true;
	return false;
}

/* As given, then relative to the including file. */
static bool open_included(struct lexer *lexer, struct span name,
			  const struct source_file **out_file)
{
	if (preprocess_open(lexer, name, out_file))
		return true;
	if (!name.len || name.at[0] == '/' || !lexer->scan)
		return false;
	struct span path = span_from(lexer->scan->file->path);
	while (path.len && path.at[path.len - 1] != '/')
		path.len--;
	struct span joined =
		arena_printf(lexer->arena, "%.*s%.*s", SPAN_ARGS(path), SPAN_ARGS(name));
	return path.len && preprocess_open(lexer, joined, out_file);
}

static void include_pattern(struct lexer *lexer, struct span name, bool must_exist,
			    struct source_position at)
{
	glob_t found = { 0 };
	char *pattern = arena_string(lexer->arena, name);
	if (pattern && glob(pattern, 0, NULL, &found) == 0) {
		/* The last one pushed is read first. */
		for (size_t i = found.gl_pathc; i > 0; i--)
			preprocess_include(lexer, span_from(found.gl_pathv[i - 1]), true, false,
					   at);
	} else if (must_exist) {
		complain(lexer, "no-file", at,
			 arena_printf(lexer->arena, "no file matches %.*s", SPAN_ARGS(name)));
	}
	globfree(&found);
}

void preprocess_include(struct lexer *lexer, struct span name, bool must_exist, bool is_pattern,
			struct source_position at)
{
	const struct source_file *file;
	name = subst_apply(lexer, arena_copy(lexer->arena, name));
	if (is_pattern) {
		include_pattern(lexer, name, must_exist, at);
		return;
	}
	if (include_depth(lexer) >= INCLUDE_DEPTH_MAX) {
		complain(lexer, "include-depth", at,
			 SPAN_OF("files are included too deep; does one include itself?"));
		return;
	}
	if (!open_included(lexer, name, &file)) {
		if (must_exist)
			complain(lexer, "no-file", at,
				 arena_printf(lexer->arena, "cannot read %.*s: %s", SPAN_ARGS(name),
					      strerror(errno)));
		return;
	}
	if (is_open(lexer, file->path)) {
		complain(lexer, "include-depth", at,
			 arena_printf(lexer->arena, "%s includes itself", file->path));
		return;
	}
	lexer->source->text_bytes += file->text.len;
	if (!lexer_push(lexer, file, NULL, file->text))
		complain(lexer, "include-depth", at, SPAN_OF("files are included too deep"));
}
