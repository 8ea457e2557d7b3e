/* SPDX-License-Identifier: BSD-2-Clause */
/* Building text with a sticky error. */
#include "core/base/writer.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/hex.h"

struct writer writer_in_arena(struct arena *arena, size_t first_cap)
{
	size_t cap = first_cap ? first_cap : 64;
	char *data = arena_alloc(arena, cap);
	return (struct writer){
		.data = data, .cap = data ? cap : 0, .arena = arena, .failed = !data
	};
}

bool writer_reserve(struct writer *w, size_t len)
{
	if (w->failed)
		return false;
	if (w->cap - w->len >= len)
		return true;
	size_t needed, cap;
	if (!w->arena || __builtin_add_overflow(w->len, len, &needed) ||
	    __builtin_mul_overflow(needed, (size_t)2, &cap)) {
		w->failed = true;
		return false;
	}
	char *data = arena_grow(w->arena, w->data, w->len, cap);
	if (!data) {
		w->failed = true;
		return false;
	}
	w->data = data;
	w->cap = cap;
	return true;
}

[[gnu::cold, gnu::noinline]] static void bytes_slowly(struct writer *w, const void *bytes,
						      size_t len)
{
	char *at = writer_room(w, len);
	if (at)
		memcpy(at, bytes, len);
}

/* Its last step is the copy, so that nothing has to be kept over a call. */
void writer_bytes(struct writer *w, const void *bytes, size_t len)
{
	if (__builtin_expect(w->cap - w->len < len, 0)) {
		bytes_slowly(w, bytes, len);
		return;
	}
	char *at = w->data + w->len;
	w->len += len;
	if (len)
		memcpy(at, bytes, len);
}

/* Two digits a step: 00 to 99. */
static const char two_digits[] = "00010203040506070809101112131415161718192021222324"
				 "25262728293031323334353637383940414243444546474849"
				 "50515253545556575859606162636465666768697071727374"
				 "75767778798081828384858687888990919293949596979899";

void writer_uint(struct writer *w, uint64_t number)
{
	char text[20], *end = text + sizeof(text), *at = end;
	for (; number >= 10; number /= 100)
		memcpy(at -= 2, two_digits + number % 100 * 2, 2);
	if (number || at == end)
		*--at = (char)('0' + number);
	writer_bytes(w, at, (size_t)(end - at));
}

void writer_int(struct writer *w, int64_t number)
{
	if (number < 0)
		writer_char(w, '-');
	writer_uint(w, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

void writer_hex(struct writer *w, uint64_t number, unsigned min_digits)
{
	char digits[16];
	hex_put_sixteen(digits, number);
	unsigned count = number ? (67 - (unsigned)__builtin_clzll(number)) / 4 : 1;
	if (count < min_digits)
		count = min_digits < sizeof(digits) ? min_digits : sizeof(digits);
	writer_bytes(w, digits + sizeof(digits) - count, count);
}

void writer_printf(struct writer *w, const char *format, ...)
{
	va_list args;
	for (int attempt = 0; attempt < 2; attempt++) {
		size_t room = w->cap - w->len;
		va_start(args, format);
		int len = vsnprintf(w->data ? w->data + w->len : NULL, w->data ? room : 0, format,
				    args);
		va_end(args);
		if (len < 0) {
			w->failed = true;
			return;
		}
		if ((size_t)len < room) {
			w->len += (size_t)len;
			return;
		}
		if (!writer_reserve(w, (size_t)len + 1))
			return;
	}
}

const char *writer_terminate(struct writer *w)
{
	if (w->cap == w->len && !writer_reserve(w, 1))
		return NULL;
	w->data[w->len] = '\0';
	return w->data;
}
