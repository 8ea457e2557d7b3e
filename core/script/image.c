/* SPDX-License-Identifier: BSD-2-Clause */
/* Building an image in one block, publishing it, finding routes in it. */
#include <pthread.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/script/build.h"
#include "core/script/parser.h"

/* ---- building ------------------------------------------------------------------------------- */

enum { CHUNK_BYTES = 64 << 10, MOST_BYTES = 256 << 20, SLACK_BYTES = 64 << 10 };

/* Checks and emits into `image->arena`. */
static bool build_once(struct script_source *source, struct image *image,
		       struct diagnostics *diagnostics)
{
	struct build build = { .source = source,
			       .arena = &image->arena,
			       .scratch = source->arena,
			       .diagnostics = diagnostics,
			       .folding = { source->arena, NULL } };
	unsigned errors = diagnostics->errors;
	for (struct route *route = source->routes; route; route = route->next) {
		route->reached = 0;
		route->is_used = false;
	}
	lint_reach(&build);
	check_routes(&build);
	if (!source->has_syntax_errors) /* half of the routes may be missing */
		lint_flow(&build);
	if (diagnostics->errors > 0 || source->has_syntax_errors)
		return false;
	if (!emit_image(&build, image)) {
		if (build.out_of_memory && diagnostics->errors == errors)
			build_error(&build, "no-memory", (struct source_position){ 0 },
				    "out of memory");
		return false;
	}
	struct span error;
	bool verified = image_verify(image, &error);
	bug_if(!verified, "compiled script does not verify: %.*s", SPAN_ARGS(error));
	return true;
}

/* An image whose arena is what remains of a block of fixed size. */
static struct image *image_in_block(void *block, size_t size, void (*release)(void *))
{
	struct image *image = block;
	size_t head = (sizeof(*image) + 63) & ~(size_t)63;
	memset(image, 0, sizeof(*image));
	image->block = block;
	image->release = release;
	image->arena = (struct arena){ .next = (char *)block + head, .end = (char *)block + size };
	return image;
}

static struct image *image_on_heap(void)
{
	struct image *image = calloc(1, sizeof(*image));
	if (image)
		arena_init(&image->arena, CHUNK_BYTES, MOST_BYTES);
	return image;
}

/* The size is known after a first build on the heap; the second one goes into the block. */
static const struct image *build_in_block(struct script_source *source,
					  const struct script_memory *memory, size_t size,
					  struct diagnostics *diagnostics)
{
	struct arena nowhere;
	struct diagnostics again;
	size_t bytes = size + SLACK_BYTES + sizeof(struct image);
	void *block = memory->alloc(bytes, "script");
	if (!block) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, "no-memory",
			       (struct source_position){ 0 },
			       "no shared memory for the script (%zu bytes)", bytes);
		return NULL;
	}
	arena_init(&nowhere, CHUNK_BYTES, MOST_BYTES);
	diagnostics_init(&again, &nowhere);
	struct image *image = image_in_block(block, bytes, memory->free);
	bool built = build_once(source, image, &again);
	arena_free(&nowhere);
	if (built)
		return image;
	diagnostic_add(diagnostics, SEVERITY_ERROR, "no-memory", (struct source_position){ 0 },
		       "the script does not fit into its block");
	memory->free(block);
	return NULL;
}

const struct image *script_build(struct script_source *source, const struct script_memory *memory,
				 struct diagnostics *diagnostics)
{
	struct image *image = image_on_heap();
	if (!image)
		return NULL;
	script_vars_begin_build();
	const struct image *result = NULL;
	if (build_once(source, image, diagnostics))
		result = image;
	if (result && memory && memory->alloc) {
		size_t size = image->arena.used;
		result = build_in_block(source, memory, size, diagnostics);
	}
	script_vars_end_build();
	if (result != image) {
		arena_free(&image->arena);
		free(image);
	}
	return result;
}

struct rebuild {
	const struct script_options *options;
	const struct script_memory *memory;
	struct arena *arena;
	struct diagnostics *diagnostics;
	const struct image *image;
};

static void *rebuild_run(void *data)
{
	struct rebuild *rebuild = data;
	struct script_source *source =
		script_read(rebuild->options, NULL, rebuild->arena, rebuild->diagnostics);
	if (!source)
		return NULL;
	restart_compare(source, rebuild->diagnostics);
	rebuild->image = script_build(source, rebuild->memory, rebuild->diagnostics);
	return NULL;
}

/* Trees are walked by recursion, and the caller may be a fiber with a small stack: a thread has a
 * larger one. The caller waits, so nothing runs beside it. */
const struct image *script_rebuild(const struct script_options *options,
				   const struct script_memory *memory, struct arena *arena,
				   struct diagnostics *diagnostics)
{
	enum { STACK_BYTES = 16 << 20 };
	struct rebuild rebuild = { options, memory, arena, diagnostics, NULL };
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_attr_init(&attributes);
	bool threaded = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 &&
			pthread_create(&thread, &attributes, rebuild_run, &rebuild) == 0;
	pthread_attr_destroy(&attributes);
	if (!threaded || pthread_join(thread, NULL) != 0)
		rebuild_run(&rebuild);
	return rebuild.image;
}

/* ---- publishing ----------------------------------------------------------------------------- */

struct publication {
	const struct image *current; /* read by every run */
	uint32_t generation;         /* of `current`, or of one before it: stored afterwards */
};
static struct publication private_publication;
static struct publication *publication = &private_publication;
static const uint32_t *generation_address = &private_publication.generation;
const uint32_t *const *const image_generation_place = &generation_address;

void image_share(void *cell)
{
	struct publication *shared = cell;
	*shared = *publication;
	publication = shared;
	generation_address = &shared->generation;
}

const struct image *script_current_image(void)
{
	return __atomic_load_n(&publication->current, __ATOMIC_ACQUIRE);
}

uint32_t image_generation(void)
{
	return __atomic_load_n(generation_address, __ATOMIC_RELAXED);
}

const uint32_t *image_generation_address(void)
{
	return generation_address;
}

void image_free_below(uint32_t generation)
{
	struct image *image = (struct image *)script_current_image();
	while (image && image->previous) {
		struct image *older = (struct image *)image->previous;
		/* One on the heap is private to each process that inherited it. */
		if (!older->block || older->generation >= generation) {
			image = older;
			continue;
		}
		image->previous = older->previous;
		older->release(older->block);
	}
}

void image_publish(const struct image *image)
{
	struct image *next = (struct image *)image;
	const struct image *old = script_current_image();
	do {
		next->previous = old;
		next->generation = old ? old->generation + 1 : 1;
	} while (!__atomic_compare_exchange_n(&publication->current, &old, next, false,
					      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	uint32_t known = image_generation();
	while (known < next->generation &&
	       !__atomic_compare_exchange_n(&publication->generation, &known, next->generation,
					    false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
}

void image_free(const struct image *image)
{
	struct image *gone = (struct image *)image;
	if (!gone)
		return;
	if (gone->block) {
		gone->release(gone->block);
		return;
	}
	arena_free(&gone->arena);
	free(gone);
}

/* ---- looking things up ---------------------------------------------------------------------- */

uint32_t image_find_route(const struct image *image, enum route_class class, struct span name)
{
	if (name.len == 0)
		return image->main_routes[class];
	if (class == CLASS_EVENT && image->event_count == 0)
		return 0;
	uint32_t at = image_route_hash(class, name), found;
	while ((found = image->route_table[at & image->route_table_mask])) {
		const struct route_entry *route = &image->routes[found - 1];
		if (route->class == class && span_equal(route->name, name))
			return found;
		at++;
	}
	return 0;
}

/* By the number of the bit of enum route_kind. */
static const uint8_t classes[] = {
	CLASS_REQUEST, CLASS_REPLY,  CLASS_REPLY, CLASS_FAILURE, CLASS_BRANCH,
	CLASS_EVENT,   CLASS_ONSEND, CLASS_EVENT, CLASS_EVENT,
};

static enum route_class class_of(enum route_kind kind)
{
	return (enum route_class)classes[__builtin_ctz(kind)];
}

/* Most messages have no such route: that takes no call. */
bool script_run_main(struct message *msg, enum route_kind kind, struct outgoing *outgoing)
{
	const struct image *image = script_current_image();
	uint32_t route = image ? image->main_routes[class_of(kind)] : 0;
	return route == 0 || image_run(image, route, msg, kind, outgoing);
}

uint32_t script_route(const struct image *image, enum route_kind kind, struct span name)
{
	char full[256];
	uint32_t route;
	if (!image)
		return 0;
	if (span_equal(name, SPAN_OF("0")))
		name = SPAN_OF("");
	route = image_find_route(image, class_of(kind), name);
	if (route || name.len > 200)
		return route;
	struct writer w = writer_fixed(full, sizeof(full));
	if (kind == ROUTE_LOCAL && name.len == 0)
		writer_string(&w, "tm:local-request");
	else if (kind == ROUTE_BRANCH_FAILURE)
		writer_printf(&w, name.len ? "tm:branch-failure:%.*s" : "tm:branch-failure",
			      SPAN_ARGS(name));
	else
		return 0;
	return image_find_route(image, CLASS_EVENT, writer_result(&w));
}

struct span script_route_name(const struct image *image, enum route_kind kind, uint32_t route)
{
	if (!image || route == 0 || route > image->route_count)
		return (struct span){ 0 };
	struct span name = image->routes[route - 1].name;
	if (kind == ROUTE_BRANCH_FAILURE && span_starts_with(name, SPAN_OF("tm:branch-failure:")))
		name = span_slice(name, 18, name.len);
	return name;
}

bool image_route_at(const struct image *image, unsigned i, enum route_kind *out_kind,
		    struct span *out_name)
{
	if (i >= image->route_count)
		return false;
	*out_kind = image->routes[i].kind;
	*out_name = image->routes[i].name;
	return true;
}

const struct source_mark *image_mark(const struct image *image, uint32_t pc)
{
	uint32_t low = 0, high = image->mark_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (image->marks[middle].pc <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &image->marks[low - 1] : NULL;
}

struct image_size image_size(const struct image *image)
{
	size_t bytes = image->block ? (size_t)(image->arena.next - (char *)image->block)
				    : image->arena.used;
	return (struct image_size){ bytes, image->route_count, image->code_count };
}
