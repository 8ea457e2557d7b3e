/* SPDX-License-Identifier: BSD-2-Clause */
/* image: a compiled script: code, constants, route table and source map in one block of memory that
 * lies at the same address in every process. It is written once, verified, and then constant; a new
 * one is built beside it and published by one pointer store. */
#pragma once

#include "core/base/diagnostic.h"
#include "core/script/script.h"

/* Checks every instruction: jump targets, registers, constant numbers, the end of each route.
 * Returns false with a sentence in `*out_error` (static text or in the image's arena). */
[[nodiscard]] bool image_verify(const struct image *image, struct span *out_error);
/* Writes a readable listing: `-c --dump-code`. */
void image_dump(const struct image *image, struct writer *out);
/* Bytes that the block really uses, and how many routes and instructions it has. */
struct image_size {
	size_t bytes;
	unsigned routes, instructions;
};
struct image_size image_size(const struct image *image);

/* The n-th route with its kind and name, for `core.routes` and completion; false past the end. */
bool image_route_at(const struct image *image, unsigned i, enum route_kind *out_kind,
		    struct span *out_name);

/* Where the pointer to the current image lives: `cell` is in shared memory, zeroed, 64 bytes;
 * without this call it is private to the process. Before the first fork. */
void image_share(void *cell);
/* Makes `image` the one that new runs use; runs that are under way keep theirs. Several processes may
 * publish at once: the last one counts. */
void image_publish(const struct image *image);
/* Grows with every publication: 1 for the first image. What starts after it was read runs an image of
 * at least this generation. */
uint32_t image_generation(void);
const uint32_t *image_generation_address(void);
/* Frees the replaced images of generations below this one, because nobody runs them any more. One
 * process calls it, the supervisor. */
void image_free_below(uint32_t generation);
/* Frees an image that was never published. */
void image_free(const struct image *image);
