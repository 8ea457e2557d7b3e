/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that is freed all at once: a chain of chunks, the newest is filled. */
#include "core/base/arena.h"

#include "core/base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LAST_ROOM ((size_t)1 << 17)

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; /* of the whole chunk, this header included */
	_Alignas(ARENA_ALIGN) char bytes[];
};

void arena_init(struct arena *arena, size_t chunk_size, size_t limit)
{
	*arena = (struct arena){ .chunk_size = chunk_size, .limit = limit };
}

static void chunk_use(struct arena *arena, struct arena_chunk *chunk)
{
	arena->next = chunk->bytes;
	arena->end = (char *)chunk + chunk->size;
}

void arena_clear(struct arena *arena)
{
	struct arena_chunk *chunk = arena->chunks;
	arena->is_short = false;
	if (!chunk)
		return;
	if (fault_is_on()) {
		size_t chunk_size = arena->chunk_size, limit = arena->limit;
		arena_free(arena);
		arena_init(arena, chunk_size, limit);
		return;
	}
	/* Keep the oldest chunk: it has the standard size, later ones may be huge. */
	while (chunk->older) {
		struct arena_chunk *older = chunk->older;
		arena->used -= chunk->size;
		free(chunk);
		chunk = older;
	}
	arena->chunks = chunk;
	chunk_use(arena, chunk);
}

void arena_give_last_room(struct arena *arena)
{
	arena->limit += LAST_ROOM;
}

void arena_free(struct arena *arena)
{
	struct arena_chunk *chunk = arena->chunks;
	while (chunk) {
		struct arena_chunk *older = chunk->older;
		free(chunk);
		chunk = older;
	}
	*arena = (struct arena){ 0 };
}

static bool arena_add_chunk(struct arena *arena, size_t size)
{
	size_t wanted = size + sizeof(struct arena_chunk);
	/* Where allocations are made to fail each has a chunk of its own, so that all pass by here. */
	if (wanted < arena->chunk_size && !fault_is_on())
		wanted = arena->chunk_size;
	if (arena->used > arena->limit || wanted > arena->limit - arena->used)
		return false;
	struct arena_chunk *chunk = malloc(wanted);
	if (!chunk)
		return false;
	chunk->older = arena->chunks;
	chunk->size = wanted;
	arena->chunks = chunk;
	arena->used += wanted;
	chunk_use(arena, chunk);
	return true;
}

void *arena_alloc_slowly(struct arena *arena, size_t size)
{
	if (size > SIZE_MAX / 2 || fault_hits() ||
	    !arena_add_chunk(arena, (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1))) {
		arena->is_short = true;
		return NULL;
	}
	return arena_alloc(arena, size);
}

void *arena_zalloc(struct arena *arena, size_t count, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(count, size, &total))
		return NULL;
	void *bytes = arena_alloc(arena, total);
	if (bytes)
		memset(bytes, 0, total);
	return bytes;
}

void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size)
{
	size_t old_room = (old_size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (old && new_size <= old_room)
		return old;
	/* The newest allocation grows in place when its chunk has room. */
	if (old && (char *)old + old_room == arena->next && new_size < SIZE_MAX / 2) {
		size_t new_room = (new_size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
		if (new_room - old_room <= (size_t)(arena->end - arena->next)) {
			arena->next += new_room - old_room;
			return old;
		}
	}
	void *bytes = arena_alloc(arena, new_size);
	if (bytes && old)
		memcpy(bytes, old, old_size < new_size ? old_size : new_size);
	return bytes;
}

struct span arena_copy(struct arena *arena, struct span s)
{
	if (!s.at)
		return (struct span){ NULL, 0 };
	char *copy = arena_alloc(arena, s.len ? s.len : 1);
	if (!copy)
		return (struct span){ NULL, 0 };
	memcpy(copy, s.at, s.len);
	return (struct span){ copy, s.len };
}

char *arena_string(struct arena *arena, struct span s)
{
	char *copy = arena_alloc(arena, s.len + 1);
	if (!copy)
		return NULL;
	if (s.len)
		memcpy(copy, s.at, s.len);
	copy[s.len] = '\0';
	return copy;
}

struct span arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
	if (text)
		vsnprintf(text, (size_t)len + 1, format, again);
	va_end(again);
	return text ? (struct span){ text, (size_t)len } : (struct span){ NULL, 0 };
}
