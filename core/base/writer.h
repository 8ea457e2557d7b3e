/* SPDX-License-Identifier: BSD-2-Clause */
/* writer: builds text with a sticky error. Write everything, test `failed` once. */
#pragma once

#include "core/base/arena.h"

struct writer {
	char *data;
	size_t len;
	size_t cap;
	struct arena *arena; /* grows from here; NULL: `data` is a fixed buffer */
	bool failed;         /* something did not fit; what was written before is still there */
};

/* Writes into a buffer that the caller owns. */
static inline struct writer writer_fixed(char *buffer, size_t cap)
{
	return (struct writer){ .data = buffer, .cap = cap };
}

/* Writes into `arena`, growing as needed; `first_cap` is a guess of the final size. */
struct writer writer_in_arena(struct arena *arena, size_t first_cap);

/* Makes room for `len` more bytes; false (and `failed` set) when that is impossible. */
bool writer_reserve(struct writer *w, size_t len);

/* Where the next `len` bytes go, which count as written: for texts of several parts whose length is known.
 * NULL: no room. */
static inline char *writer_room(struct writer *w, size_t len)
{
	if (__builtin_expect(w->cap - w->len < len, 0) && !writer_reserve(w, len))
		return NULL;
	char *at = w->data + w->len;
	w->len += len;
	return at;
}
/* The parts; the result is where the next one goes. */
static inline char *put_span(char *at, struct span s)
{
	return mempcpy(at, s.at, s.len);
}
#define put_literal(at, literal) ((char *)mempcpy((at), "" literal "", sizeof(literal) - 1))

void writer_bytes(struct writer *w, const void *bytes, size_t len);

static inline void writer_span(struct writer *w, struct span s)
{
	writer_bytes(w, s.at, s.len);
}

static inline void writer_char(struct writer *w, char c)
{
	char *at = writer_room(w, 1);
	if (at)
		*at = c;
}

static inline void writer_string(struct writer *w, const char *text)
{
	writer_bytes(w, text, strlen(text));
}

/* A string literal, its length known at compile time. */
#define writer_literal(w, literal) writer_constant((w), "" literal "", sizeof(literal) - 1)
static inline void writer_constant(struct writer *w, const char *text, size_t len)
{
	char *at = writer_room(w, len);
	if (at)
		memcpy(at, text, len);
}

void writer_int(struct writer *w, int64_t number);
void writer_uint(struct writer *w, uint64_t number);
/* Lower-case hexadecimal without leading zeros, at least `min_digits` digits. */
void writer_hex(struct writer *w, uint64_t number, unsigned min_digits);
[[gnu::format(printf, 2, 3)]] void writer_printf(struct writer *w, const char *format, ...);

static inline struct span writer_result(const struct writer *w)
{
	return (struct span){ w->data, w->len };
}

/* Adds a zero byte that `len` does not count; NULL when it did not fit. */
const char *writer_terminate(struct writer *w);
