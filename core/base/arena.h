/* SPDX-License-Identifier: BSD-2-Clause */
/* arena: memory that is freed all at once. Everything that lives as long as one message, one
 * compilation or one start-up comes from an arena; single pieces are never freed. */
#pragma once

#include "core/base/span.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first */
	char *next;                 /* free space of the newest chunk: [next, end) */
	char *end;
	size_t chunk_size;
	size_t used;   /* bytes obtained from malloc so far */
	size_t limit;  /* `used` never exceeds this */
	bool is_short; /* an allocation failed since it was empty */
};

/* Sets up an empty arena that grows by `chunk_size` bytes and refuses to exceed `limit`. */
void arena_init(struct arena *arena, size_t chunk_size, size_t limit);
/* Forgets everything that was allocated; keeps one chunk for reuse. */
void arena_clear(struct arena *arena);
/* Room for one answer, beyond the limit: what failed before stays failed. */
void arena_give_last_room(struct arena *arena);
/* Returns all memory; the arena is unusable until the next arena_init. */
void arena_free(struct arena *arena);

#define ARENA_ALIGN 16

/* The rare part of arena_alloc: a new chunk. */
[[nodiscard]] void *arena_alloc_slowly(struct arena *arena, size_t size);
/* `size` bytes aligned to 16, not zeroed. NULL when the limit is reached or memory is exhausted:
 * callers on the request path answer 500/503, they do not crash. */
[[nodiscard]] static inline void *arena_alloc(struct arena *arena, size_t size)
{
	size_t rounded = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (__builtin_expect(rounded < size || (size_t)(arena->end - arena->next) < rounded, 0))
		return arena_alloc_slowly(arena, size);
	void *bytes = arena->next;
	arena->next += rounded;
	return bytes;
}
/* The same, zeroed; `count * size` is checked for overflow. */
[[nodiscard]] void *arena_zalloc(struct arena *arena, size_t count, size_t size);
/* Grows or moves an allocation; `old` may be NULL. The bytes up to the smaller size are kept. */
[[nodiscard]] void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size);

/* Copies: the result's `at` is NULL only when memory is exhausted (or `s` is absent). */
struct span arena_copy(struct arena *arena, struct span s);
/* A zero-terminated copy, NULL when memory is exhausted. */
[[nodiscard]] char *arena_string(struct arena *arena, struct span s);
/* printf into the arena; {NULL,0} when memory is exhausted. The result is also zero-terminated. */
[[gnu::format(printf, 2, 3)]] struct span arena_printf(struct arena *arena, const char *format,
						       ...);

/* One zeroed struct, whose size the compiler knows. */
[[nodiscard]] static inline void *arena_new(struct arena *arena, size_t size)
{
	void *bytes = arena_alloc(arena, size);
	if (bytes)
		memset(bytes, 0, size);
	return bytes;
}

#define ARENA_NEW(arena, type)          ((type *)arena_new((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_zalloc((arena), (count), sizeof(type)))
