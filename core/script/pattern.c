/* SPDX-License-Identifier: BSD-2-Clause */
/* pattern: regular expressions. A pattern is its text and flags; the code that runs it is compiled
 * per process on first use and found by the text's hash. A yes/no question goes to PCRE2's JIT when
 * the translation means the same, groups and everything unsure to regexec. */
#include "core/script/pattern.h"

#include <regex.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/script/pattern_ere.h"

#define PATTERN_MATCH_LIMIT \
	200000 /* steps, before regexec (which has no such trouble) takes over */
#define PATTERN_MAX_TEXT 8192
#define GENERATION_SIZE  1024 /* compiled patterns before the oldest generation is dropped */
#define BUCKETS          2048

struct pattern {
	struct span text;
	unsigned flags;
	uint64_t hash;
};

/* What one process knows about one pattern. */
struct compiled {
	struct compiled *next;
	struct pattern pattern; /* its text is owned by this object */
	pcre2_code *pcre;       /* NULL: not translatable */
	bool has_posix;  /* `posix` is compiled (lazily when pcre answers yes/no questions) */
	bool is_invalid; /* remembered so that it is logged once */
	regex_t posix;
	char text[];
};

struct generation {
	struct compiled *buckets[BUCKETS];
	unsigned count;
};

static struct {
	struct generation generations[2];
	unsigned young; /* which of them takes new entries */
	pcre2_match_context *context;
	pcre2_match_data *data;
} cache;

/* ---- compiling ----------------------------------------------------------------------------- */

static uint32_t pcre_options(unsigned flags, bool is_ere)
{
	uint32_t options = 0;
	if (flags & PATTERN_IGNORE_CASE)
		options |= PCRE2_CASELESS;
	if (flags & PATTERN_NEWLINE)
		options |= PCRE2_MULTILINE;
	else if (is_ere)
		options |= PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY;
	if (is_ere)
		options |= PCRE2_NO_AUTO_CAPTURE;
	return options;
}

static int posix_options(unsigned flags)
{
	int options = REG_EXTENDED;
	if (flags & PATTERN_IGNORE_CASE)
		options |= REG_ICASE;
	if (flags & PATTERN_NEWLINE)
		options |= REG_NEWLINE;
	return options;
}

static pcre2_code *compile_pcre(struct span text, unsigned flags, bool is_ere, int *out_code,
				PCRE2_SIZE *out_offset)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	if (context)
		pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	pcre2_code *code =
		pcre2_compile((PCRE2_SPTR)(text.at ? text.at : ""), text.len,
			      pcre_options(flags, is_ere), out_code, out_offset, context);
	pcre2_compile_context_free(context);
	if (code)
		pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

static bool compile_posix(struct compiled *compiled)
{
	if (!compiled->has_posix)
		compiled->has_posix = regcomp(&compiled->posix, compiled->text,
					      posix_options(compiled->pattern.flags)) == 0;
	return compiled->has_posix;
}

static void compile(struct compiled *compiled)
{
	struct span text = compiled->pattern.text;
	unsigned flags = compiled->pattern.flags;
	int code;
	PCRE2_SIZE offset;
	if (flags & PATTERN_PCRE) {
		compiled->pcre = compile_pcre(text, flags, false, &code, &offset);
		compiled->is_invalid = !compiled->pcre;
		return;
	}
	struct arena scratch;
	arena_init(&scratch, 4096, 1 << 20);
	struct writer translated = writer_in_arena(&scratch, 2 * text.len + 16);
	struct ere_error error;
	enum ere_result result = ere_translate(text, flags, &translated, &error);
	if (result == ERE_SAME)
		compiled->pcre =
			compile_pcre(writer_result(&translated), flags, true, &code, &offset);
	if (result == ERE_WRONG || (!compiled->pcre && !compile_posix(compiled)))
		compiled->is_invalid = true;
	arena_free(&scratch);
}

static uint64_t pattern_hash(struct span text, unsigned flags)
{
	return hash_mix(hash_span(text), flags);
}

/* ---- the cache of this process ------------------------------------------------------------- */

static void compiled_free(struct compiled *compiled)
{
	pcre2_code_free(compiled->pcre);
	if (compiled->has_posix)
		regfree(&compiled->posix);
	free(compiled);
}

static void generation_clear(struct generation *generation)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		while (generation->buckets[i]) {
			struct compiled *compiled = generation->buckets[i];
			generation->buckets[i] = compiled->next;
			compiled_free(compiled);
		}
	}
	generation->count = 0;
}

static struct compiled *generation_take(struct generation *generation,
					const struct pattern *pattern)
{
	struct compiled **link = &generation->buckets[pattern->hash % BUCKETS];
	for (; *link; link = &(*link)->next) {
		struct compiled *compiled = *link;
		if (compiled->pattern.hash == pattern->hash &&
		    compiled->pattern.flags == pattern->flags &&
		    span_equal(compiled->pattern.text, pattern->text)) {
			*link = compiled->next;
			generation->count--;
			return compiled;
		}
	}
	return NULL;
}

static void generation_put(struct generation *generation, struct compiled *compiled)
{
	struct compiled **bucket = &generation->buckets[compiled->pattern.hash % BUCKETS];
	compiled->next = *bucket;
	*bucket = compiled;
	generation->count++;
}

static struct compiled *generation_find(const struct generation *generation,
					const struct pattern *pattern)
{
	struct compiled *compiled = generation->buckets[pattern->hash % BUCKETS];
	while (compiled && !(compiled->pattern.hash == pattern->hash &&
			     compiled->pattern.flags == pattern->flags &&
			     span_equal(compiled->pattern.text, pattern->text)))
		compiled = compiled->next;
	return compiled;
}

/* The compiled form, made when it is not there; NULL when memory is exhausted. What was used since
 * the last turn of generations stays valid until the next but one. */
static struct compiled *compiled_get(const struct pattern *pattern)
{
	struct generation *young = &cache.generations[cache.young];
	struct compiled *compiled = generation_find(young, pattern);
	if (__builtin_expect(compiled != NULL, 1))
		return compiled;
	compiled = generation_take(&cache.generations[1 - cache.young], pattern);
	if (!compiled) {
		compiled = calloc(1, sizeof(*compiled) + pattern->text.len + 1);
		if (!compiled)
			return NULL;
		if (pattern->text.len)
			memcpy(compiled->text, pattern->text.at, pattern->text.len);
		compiled->pattern = *pattern;
		compiled->pattern.text.at = compiled->text;
		compile(compiled);
		if (compiled->is_invalid)
			log_error("not a regular expression: \"%.*s\"", SPAN_ARGS(pattern->text));
	}
	if (young->count >= GENERATION_SIZE) {
		cache.young = 1 - cache.young;
		young = &cache.generations[cache.young];
		generation_clear(young);
	}
	generation_put(young, compiled);
	return compiled;
}

/* ---- the interface ------------------------------------------------------------------------- */

static bool check_pcre(struct span text, unsigned flags, struct arena *arena,
		       struct span *out_error)
{
	int code;
	PCRE2_SIZE offset;
	pcre2_code *pcre = compile_pcre(text, flags, false, &code, &offset);
	if (pcre) {
		pcre2_code_free(pcre);
		return true;
	}
	PCRE2_UCHAR message[256];
	pcre2_get_error_message(code, message, sizeof(message));
	*out_error = arena_printf(arena, "not a regular expression: %s (at offset %zu)", message,
				  offset);
	return false;
}

static bool check_posix(struct span text, unsigned flags, struct arena *arena,
			struct span *out_error)
{
	struct writer translated = writer_in_arena(arena, 2 * text.len + 16);
	struct ere_error error;
	enum ere_result result = ere_translate(text, flags, &translated, &error);
	if (result == ERE_SAME)
		return true;
	if (result == ERE_WRONG) {
		*out_error = arena_printf(arena, "not a regular expression: %s (at offset %zu)",
					  error.reason, error.at);
		return false;
	}
	char *zero_terminated = arena_string(arena, text);
	regex_t posix;
	int code = zero_terminated ? regcomp(&posix, zero_terminated, posix_options(flags))
				   : REG_ESPACE;
	if (code == 0) {
		regfree(&posix);
		return true;
	}
	char message[256];
	regerror(code, NULL, message, sizeof(message));
	*out_error = arena_printf(arena, "not a regular expression: %s", message);
	return false;
}

const struct pattern *pattern_compile(struct span text, unsigned flags, struct arena *arena,
				      struct span *out_error)
{
	if (text.len > PATTERN_MAX_TEXT) {
		*out_error = SPAN_OF("the regular expression is too long");
		return NULL;
	}
	if (!(flags & PATTERN_PCRE ? check_pcre : check_posix)(text, flags, arena, out_error))
		return NULL;
	struct pattern *pattern = ARENA_NEW(arena, struct pattern);
	struct span copy = arena_copy(arena, text.at ? text : SPAN_OF(""));
	if (!pattern || !copy.at) {
		*out_error = SPAN_OF("out of memory");
		return NULL;
	}
	*pattern =
		(struct pattern){ .text = copy, .flags = flags, .hash = pattern_hash(copy, flags) };
	return pattern;
}

const struct pattern *pattern_cached(struct span text, unsigned flags)
{
	if (text.len > PATTERN_MAX_TEXT) {
		log_error("a regular expression of %zu bytes is refused", text.len);
		return NULL;
	}
	struct pattern key = { .text = text, .flags = flags, .hash = pattern_hash(text, flags) };
	struct compiled *compiled = compiled_get(&key);
	return compiled && !compiled->is_invalid ? &compiled->pattern : NULL;
}

struct span pattern_text(const struct pattern *pattern)
{
	return pattern->text;
}

static bool prepare_matching(void)
{
	if (cache.data)
		return true;
	cache.context = pcre2_match_context_create(NULL);
	if (cache.context)
		pcre2_set_match_limit(cache.context, PATTERN_MATCH_LIMIT);
	cache.data = pcre2_match_data_create(PATTERN_MAX_GROUPS, NULL);
	return cache.data != NULL;
}

static void groups_from_pcre(struct pattern_match *groups, unsigned count, int matched)
{
	const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(cache.data);
	for (unsigned i = 0; i < count; i++) {
		groups[i] = (struct pattern_match){ 1, 0 };
		bool took_part = (matched == 0 ? i < PATTERN_MAX_GROUPS : i < (unsigned)matched) &&
				 offsets[2 * i] != PCRE2_UNSET;
		if (took_part)
			groups[i] = (struct pattern_match){ (uint32_t)offsets[2 * i],
							    (uint32_t)offsets[2 * i + 1] };
	}
}

/* 1 match, 0 no match, -1 gave up. */
static int search_pcre(struct compiled *compiled, struct span subject, size_t from,
		       struct pattern_match *groups, unsigned group_count)
{
	if (!prepare_matching())
		return -1;
	int matched = pcre2_match(compiled->pcre, (PCRE2_SPTR)(subject.at ? subject.at : ""),
				  subject.len, from, 0, cache.data, cache.context);
	if (matched == PCRE2_ERROR_NOMATCH)
		return 0;
	if (matched < 0)
		return -1;
	groups_from_pcre(groups, group_count, matched);
	return 1;
}

/* re_search is what regexec calls; it takes a length, and sanitizers do not mistake its subject for
 * a
 * zero-terminated string. The bytes before `from` count as context for ^ and \<. */
static bool search_posix(struct compiled *compiled, struct span subject, size_t from,
			 struct pattern_match *groups, unsigned group_count)
{
	if (!compile_posix(compiled))
		return false;
	regoff_t starts[PATTERN_MAX_GROUPS], ends[PATTERN_MAX_GROUPS];
	struct re_registers found = { .num_regs = PATTERN_MAX_GROUPS,
				      .start = starts,
				      .end = ends };
	compiled->posix.regs_allocated = REGS_FIXED;
	if (re_search(&compiled->posix, subject.at ? subject.at : "", (regoff_t)subject.len,
		      (regoff_t)from, (regoff_t)(subject.len - from),
		      group_count ? &found : NULL) < 0)
		return false;
	for (unsigned i = 0; i < group_count; i++) {
		groups[i] = (struct pattern_match){ 1, 0 };
		if (starts[i] >= 0)
			groups[i] =
				(struct pattern_match){ (uint32_t)starts[i], (uint32_t)ends[i] };
	}
	return true;
}

bool pattern_search(const struct pattern *pattern, struct span subject, size_t from,
		    struct pattern_match *groups, unsigned group_count)
{
	struct compiled *compiled = compiled_get(pattern);
	if (!compiled || compiled->is_invalid || from > subject.len || subject.len > INT32_MAX)
		return false;
	if (!groups)
		group_count = 0;
	if (group_count > PATTERN_MAX_GROUPS)
		group_count = PATTERN_MAX_GROUPS;
	if (compiled->pattern.flags & PATTERN_PCRE)
		return search_pcre(compiled, subject, from, groups, group_count) > 0;
	if (compiled->pcre) {
		int answer = search_pcre(compiled, subject, from, NULL, 0);
		if (answer == 0 || (answer > 0 && group_count == 0))
			return answer > 0;
	}
	return search_posix(compiled, subject, from, groups, group_count);
}
