/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine: runs the verified code of an image. Nothing is allocated for a statement, except the
 * texts that it makes, and those live in the message's arena. */
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/script/keywords.h"
#include "core/script/layout.h"
#include "core/script/state.h"
#include "core/script/tracer.h"
#include "core/script/values.h"

enum { FIRST_REGISTERS = 48, FIRST_FRAMES = 8, STACK_ARGUMENTS = 512 };

/* ---- runs ----------------------------------------------------------------------------------- */

/* What most runs need, in one piece. */
struct first_state {
	struct script_state state;
	struct script_vars vars;
	struct script_frame frames[FIRST_FRAMES];
	struct value registers[FIRST_REGISTERS];
};

static bool run_init(struct script_run *run, struct message *msg, enum route_kind kind,
		     const struct image *image, struct script_vars *vars)
{
	struct first_state *first = arena_alloc(msg->arena, sizeof(*first));
	uint32_t most = (uint32_t)script_limits()->max_recursive_level;
	*run = (struct script_run){
		.msg = msg, .kind = kind, .arena = msg->arena, .return_code = 1, .image = image
	};
	if (!first)
		return false;
	first->vars = (struct script_vars){ .arena = msg->arena };
	first->state =
		(struct script_state){ .vars = vars ? vars : &first->vars,
				       .registers = first->registers,
				       .register_count = FIRST_REGISTERS,
				       .frames = first->frames,
				       .frame_count = most < FIRST_FRAMES ? most : FIRST_FRAMES };
	run->state = &first->state;
	return true;
}

bool script_run_init(struct script_run *run, struct message *msg, enum route_kind kind,
		     const struct script_run *parent)
{
	return parent ? run_init(run, msg, kind, parent->image, parent->state->vars)
		      : run_init(run, msg, kind, script_current_image(), NULL);
}

static bool reserve_registers(struct script_run *run, uint32_t count)
{
	struct script_state *state = run->state;
	uint32_t room = state->register_count;
	while (room < count)
		room *= 2;
	struct value *grown =
		arena_grow(run->arena, state->registers, state->register_count * sizeof(*grown),
			   room * sizeof(*grown));
	if (!grown)
		return false;
	state->registers = grown;
	state->register_count = room;
	state->has_moved = true;
	return true;
}

/* There are never more frames than routes that may call each other. */
static bool reserve_frame(struct script_run *run)
{
	struct script_state *state = run->state;
	uint32_t most = (uint32_t)script_limits()->max_recursive_level;
	if (state->frame_count >= most) {
		struct script_place place = script_place(run);
		log_error("%s:%u: routes call each other deeper than %d levels",
			  place.file ? place.file : "?", place.line,
			  script_limits()->max_recursive_level);
		return false;
	}
	uint32_t room = state->frame_count < most / 2 ? state->frame_count * 2 : most;
	struct script_frame *grown =
		arena_grow(run->arena, state->frames, state->frame_count * sizeof(*grown),
			   room * sizeof(*grown));
	if (!grown)
		return false;
	state->frames = grown;
	state->frame_count = room;
	state->has_moved = true;
	return true;
}

static struct script_frame *enter_route(struct script_run *run, uint32_t index, uint8_t result);

/* Enters a route after making room for it. */
[[gnu::noinline]] static struct script_frame *enter_further(struct script_run *run, uint32_t index,
							    uint8_t result, uint32_t registers)
{
	const struct script_state *state = run->state;
	bool has_room = (state->depth < state->frame_count || reserve_frame(run)) &&
			(registers <= state->register_count || reserve_registers(run, registers));
	return has_room ? enter_route(run, index, result) : NULL;
}

/* NULL: too deep, or no memory. */
static struct script_frame *enter_route(struct script_run *run, uint32_t index, uint8_t result)
{
	struct script_state *state = run->state;
	const struct route_entry *route = &run->image->routes[index];
	uint32_t depth = state->depth;
	uint32_t base = depth ? state->frames[depth - 1].end : 0;
	uint32_t end = base + route->registers;
	if (depth == state->frame_count || end > state->register_count)
		return enter_further(run, index, result, end);
	struct script_frame *frame = &state->frames[depth];
	*frame = (struct script_frame){ .at = run->image->code + route->begin,
					.route = index,
					.base = base,
					.end = end,
					.result = result };
	state->depth = depth + 1;
	return frame;
}

struct script_place script_place(const struct script_run *run)
{
	struct script_place place = { .route = SPAN_OF(""),
				      .kind = run ? run->kind : ROUTE_REQUEST };
	if (!run || !run->state || run->state->depth == 0 || !run->image)
		return place;
	const struct script_frame *frame = &run->state->frames[run->state->depth - 1];
	const struct source_mark *mark =
		image_mark(run->image, (uint32_t)(frame->at - run->image->code));
	place.route = run->image->routes[frame->route].shown;
	if (mark) {
		place.file = mark->file;
		place.line = mark->line;
	}
	return place;
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void store_dynamic(struct script_run *run, const struct dynamic_argument *argument,
			  const struct value *value, void *into)
{
	const struct field *field = argument->field;
	const struct value_context context = { run->arena, run };
	char *member = (char *)into + field->offset;
	switch (field->kind) {
	case FIELD_KIND_INT: {
		int64_t number = value_int(&context, value);
		int32_t narrow = (int32_t)number;
		if (field->size == sizeof(number))
			memcpy(member, &number, sizeof(number));
		else
			memcpy(member, &narrow, sizeof(narrow));
		break;
	}
	case FIELD_KIND_BOOL: *(bool *)member = value_int(&context, value) != 0; break;
	case FIELD_KIND_TEXT: {
		struct span text = value_text(&context, value);
		memcpy(member, &text, sizeof(text));
		break;
	}
	case FIELD_KIND_PATTERN: {
		const struct pattern *pattern =
			pattern_cached(value_text(&context, value), PATTERN_IGNORE_CASE);
		memcpy(member, &pattern, sizeof(pattern));
		break;
	}
	case FIELD_KIND_TEMPLATE: {
		struct text_template *template = ARENA_NEW(run->arena, struct text_template);
		struct template_part *part = ARENA_NEW(run->arena, struct template_part);
		if (!template || !part)
			break;
		part->text = value_text(&context, value);
		*template = (struct text_template){
			.parts = part, .count = 1, .is_constant = true, .source = part->text
		};
		memcpy(member, &template, sizeof(template));
		break;
	}
	case FIELD_KIND_VARIABLE:
	case FIELD_KIND_ACCEPT:
	case FIELD_KIND_IGNORED: break;
	}
}

/* A text of several parts; null parts print as "<null>". One variable alone keeps its type. */
static struct value template_argument(struct script_run *run,
				      const struct dynamic_argument *argument)
{
	struct value value = { 0 };
	bool is_text = argument->field->kind == FIELD_KIND_TEXT ||
		       argument->field->kind == FIELD_KIND_PATTERN;
	if (is_text) {
		struct span text = template_text(run, argument->template);
		return text.at ? VALUE_OF_TEXT(text) : value;
	}
	if (!template_value(run, argument->template, &value))
		value = (struct value){ 0 };
	return value;
}

/* With arguments that are known only now. */
[[gnu::noinline]] static int call_dynamic(struct script_run *run, const struct call_site *site,
					  uint32_t first_register)
{
	_Alignas(max_align_t) char buffer[STACK_ARGUMENTS];
	const struct script_function *function = site->function;
	void *arguments = buffer;
	if (function->args_size > sizeof(buffer)) {
		arguments = arena_alloc(run->arena, function->args_size);
		if (!arguments)
			return SCRIPT_FALSE;
	}
	memcpy(arguments, site->arguments, function->args_size);
	for (uint32_t i = 0; i < site->dynamic_count; i++) {
		const struct dynamic_argument *dynamic = &site->dynamic[i];
		struct value value = dynamic->template ? template_argument(run, dynamic)
						       : run->state->registers[first_register++];
		store_dynamic(run, dynamic, &value, arguments);
	}
	return function->call(run, arguments);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void runaway(struct script_run *run)
{
	struct script_place place = script_place(run);
	log_error("%s:%u: runaway while: more than %d rounds (max_while_loops)",
		  place.file ? place.file : "?", place.line, script_limits()->max_while_loops);
}

static bool is_true_number(const struct value *value)
{
	return value->kind == VALUE_INT && value->number > 0;
}

/* Conditions are mostly what a function returned. */
static inline bool is_true(const struct value_context *context, const struct value *value)
{
	return is_true_number(value) || (value->kind != VALUE_INT && value_is_true(context, value));
}

static script_tracer tracer;

void script_set_tracer(script_tracer sees)
{
	tracer = sees;
}

static inline void trace(struct script_run *run, const char *action)
{
	if (__builtin_expect(tracer != NULL, 0))
		tracer(run, action);
}

/* The one long function of this room. */
int script_run_route(struct script_run *run, uint32_t route)
{
	static const void *const labels[OPCODE_COUNT] = {
#define X(name, operands, text) [OP_##name] = &&OP_##name,
		OPCODES(X)
#undef X
	};
	struct script_state *state = run->state;
	const struct image *image = run->image;
	const struct value_context context = { run->arena, run };
	bug_if(!image || route == 0 || route > image->route_count, "no such route");
	if (state->depth == 0)
		run->exited = run->dropped = false;
	struct script_frame *frame = enter_route(run, route - 1, 0);
	if (!frame) {
		run->exited = true;
		return -1;
	}
	const uint32_t outermost = state->depth;
	const bool return_mode = script_limits()->return_mode;
	struct value *registers = state->registers + frame->base;
	const struct instruction *const code = image->code, *next = frame->at, *in;
	int64_t code_value = 1;
	struct value constant;
#define R(i) registers[i]
#define NEXT                          \
	do {                          \
		in = next++;          \
		frame->at = in;       \
		goto *labels[in->op]; \
	} while (0)
#define BINARY(name)                                                              \
	OP_##name:                                                                \
	R(in->a) = value_binary(&context, OPERATOR_##name, &R(in->b), &R(in->c)); \
	NEXT
#define UNARY(name)                                                  \
	OP_##name:                                                   \
	R(in->a) = value_unary(&context, OPERATOR_##name, &R(in->b)); \
	NEXT

	NEXT;

OP_LOAD_INT:
	R(in->a) = VALUE_OF_INT(in->c);
	NEXT;
OP_LOAD_CONST:
	R(in->a) = image->constants[in->c];
	NEXT;
OP_LOAD_VAR:
	constant = (struct value){ 0 };
	if (!variable_read(run, image->variables[in->c], &constant))
		constant = (struct value){ 0 };
	R(in->a) = constant;
	NEXT;
OP_LOAD_KEYWORD:
	R(in->a) = keyword_read(run, (enum keyword)in->c);
	NEXT;
OP_STORE:
	trace(run, "assign");
	if (R(in->b).kind == VALUE_FAILED)
		NEXT;
	constant = R(in->b);
	if (!variable_write(run, image->variables[in->c], &constant) &&
	    log_is_on(LOG_LEVEL_DEBUG)) {
		struct script_place place = script_place(run);
		log_debug("%s:%u: %.*s was not assigned", place.file, place.line,
			  SPAN_ARGS(image->variables[in->c]->text));
	}
	NEXT;
	BINARY(ADD);
	BINARY(SUB);
	BINARY(MUL);
	BINARY(DIV);
	BINARY(MOD);
	BINARY(SHL);
	BINARY(SHR);
	BINARY(BIT_AND);
	BINARY(BIT_OR);
	BINARY(BIT_XOR);
	BINARY(EQ);
	BINARY(NE);
	BINARY(LT);
	BINARY(GT);
	BINARY(LE);
	BINARY(GE);
	BINARY(TEXT_EQ);
	BINARY(TEXT_NE);
	BINARY(INT_EQ);
	BINARY(INT_NE);
OP_MATCH:
	R(in->a) = VALUE_OF_INT(pattern_search(image->patterns[in->c],
					       value_text(&context, &R(in->b)), 0, NULL, 0));
	NEXT;
OP_MATCH_TEXT : {
	const struct pattern *pattern =
		pattern_cached(value_text(&context, &R(in->c)), PATTERN_IGNORE_CASE);
	R(in->a) = VALUE_OF_INT(
		pattern && pattern_search(pattern, value_text(&context, &R(in->b)), 0, NULL, 0));
	NEXT;
}
	UNARY(NOT);
	UNARY(BIT_NOT);
	UNARY(NEGATE);
	UNARY(TO_INT);
	UNARY(TO_TEXT);
OP_DEFINED:
	R(in->a) = VALUE_OF_INT(R(in->b).kind != VALUE_NULL);
	NEXT;
OP_IS_NULL:
	R(in->a) = VALUE_OF_INT(R(in->b).kind == VALUE_NULL);
	NEXT;
	UNARY(STRLEN);
	UNARY(STREMPTY);
OP_IS_FILLED:
	R(in->a) = value_is_filled(&context, &R(in->b));
	NEXT;
OP_TRUTH:
	R(in->a) = VALUE_OF_INT(is_true_number(&R(in->b)));
	NEXT;
OP_IS_MYSELF:
	R(in->a) = VALUE_OF_INT(keyword_is_myself(run, (enum keyword)in->c));
	NEXT;
OP_IN_NETWORK:
	R(in->a) =
		VALUE_OF_INT(keyword_in_network(run, (enum keyword)in->b, &image->networks[in->c]));
	NEXT;
OP_IN_NETWORK_TEXT:
	R(in->a) = VALUE_OF_INT(
		keyword_in_text(run, (enum keyword)in->b, value_text(&context, &R(in->c))));
	NEXT;
OP_JUMP:
	next = code + in->c;
	NEXT;
OP_JUMP_TRUE:
	if (is_true(&context, &R(in->b)))
		next = code + in->c;
	NEXT;
OP_JUMP_FALSE:
	if (!is_true(&context, &R(in->b)))
		next = code + in->c;
	NEXT;
OP_JUMP_ZERO:
	if (R(in->b).kind == VALUE_FAILED || value_int(&context, &R(in->b)) == 0)
		next = code + in->c;
	NEXT;
OP_JUMP_NONZERO:
	if (R(in->b).kind != VALUE_FAILED && value_int(&context, &R(in->b)) != 0)
		next = code + in->c;
	NEXT;
OP_LOOP:
	if (script_limits()->max_while_loops > 0 &&
	    R(in->a).number >= script_limits()->max_while_loops) {
		runaway(run);
		next = code + in->c;
	} else {
		R(in->a).number++;
	}
	NEXT;
OP_CALL : {
	/* What a failed allocation left undone must not decide anything. */
	if (__builtin_expect(run->arena->is_short, 0)) {
		log_error("no memory for this message; the script ends");
		run->exited = true;
		state->depth = outermost - 1;
		return SCRIPT_STOP;
	}
	const struct call_site *site = &image->calls[in->c];
	trace(run, site->function->name);
	int result = site->dynamic_count == 0 ? site->function->call(run, site->arguments)
					      : call_dynamic(run, site, frame->base + in->b);
	run->return_code = result;
	if (result == SCRIPT_STOP || run->exited) {
		run->exited = true;
		state->depth = outermost - 1;
		return result;
	}
	/* The handler may have run routes of this very run. */
	if (__builtin_expect(state->has_moved, 0)) {
		frame = &state->frames[state->depth - 1];
		registers = state->registers + frame->base;
	}
	R(in->a) = VALUE_OF_INT(result);
	NEXT;
}
OP_CALL_ROUTE_TEXT:
OP_CALL_ROUTE : {
	uint32_t index = (uint32_t)in->c + 1;
	trace(run, "route");
	if (in->op == OP_CALL_ROUTE_TEXT) {
		struct span name = value_text(&context, &R(in->b));
		index = name.len ? script_route(image, ROUTE_REQUEST, name) : 0;
		if (index == 0) {
			struct script_place place = script_place(run);
			log_error("%s:%u: there is no route[%.*s]", place.file, place.line,
				  SPAN_ARGS(name));
			run->return_code = -1;
			R(in->a) = VALUE_OF_INT(-1);
			NEXT;
		}
	}
	frame = enter_route(run, index - 1, in->a);
	if (!frame) {
		run->return_code = -1;
		run->exited = true;
		state->depth = outermost - 1;
		return -1;
	}
	registers = state->registers + frame->base;
	next = frame->at;
	NEXT;
}
OP_LEAVE:
OP_RETURN:
OP_RETURN_INT:
	if (in->op != OP_LEAVE)
		trace(run, "return");
	code_value = in->op == OP_RETURN ? value_int(&context, &R(in->b)) : in->c;
	run->return_code = (int32_t)code_value;
	if (return_mode)
		code_value = code_value != 0 ? code_value : -1;
	if (code_value == 0 && in->op != OP_LEAVE) {
		run->exited = true;
		state->depth = outermost - 1;
		return 0;
	}
	state->depth--;
	if (state->depth < outermost)
		return (int)code_value;
	uint8_t result = frame->result;
	frame--;
	registers = state->registers + frame->base;
	next = frame->at + 1;
	R(result) = VALUE_OF_INT(code_value);
	NEXT;
OP_EXIT:
	trace(run, "exit");
	run->exited = true;
	state->depth = outermost - 1;
	return 1;
OP_DROP:
	trace(run, "drop");
	run->exited = run->dropped = true;
	run->msg->notes |= NOTE_DROPPED;
	state->depth = outermost - 1;
	return 0;
#undef NEXT
#undef R
}

bool image_run(const struct image *image, uint32_t route, struct message *msg, enum route_kind kind,
	       struct outgoing *outgoing)
{
	struct script_run run;
	if (!run_init(&run, msg, kind, image, NULL))
		return false;
	run.outgoing = outgoing;
	script_run_route(&run, route);
	return !run.dropped;
}

bool script_run_event(const char *name, struct message *msg, void *event, bool *out_dropped)
{
	const struct image *image = script_current_image();
	if (!image || image->event_count == 0)
		return false;
	uint32_t route = image_find_route(image, CLASS_EVENT, span_from(name));
	if (route == 0)
		return false;
	struct arena own;
	struct script_run run;
	const struct script_event with_data = { name, event };
	if (!msg) {
		arena_init(&own, 8192, 1 << 20);
		struct message *faked = script_faked_request(&own);
		if (faked && script_run_init(&run, faked, image->routes[route - 1].kind, NULL)) {
			run.event = &with_data;
			script_run_route(&run, route);
			if (out_dropped)
				*out_dropped = run.dropped;
		}
		arena_free(&own);
		return true;
	}
	if (!script_run_init(&run, msg, image->routes[route - 1].kind, NULL))
		return true;
	/* The image may have been replaced meanwhile. */
	route = image_find_route(run.image, CLASS_EVENT, span_from(name));
	run.event = &with_data;
	if (route)
		script_run_route(&run, route);
	if (out_dropped)
		*out_dropped = run.dropped;
	return true;
}

void *script_event_data(const struct script_run *run, const char *module)
{
	size_t length = strlen(module);
	if (!run->event || strncmp(run->event->name, module, length) != 0 ||
	    run->event->name[length] != ':')
		return NULL;
	return run->event->data;
}

struct message *script_faked_request(struct arena *arena)
{
	static const char text[] = "OPTIONS sip:you@kamailio.org SIP/2.0\r\n"
				   "Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKevent\r\n"
				   "From: <sip:you@kamailio.org>;tag=event\r\n"
				   "To: <sip:you@kamailio.org>\r\n"
				   "Call-ID: event@127.0.0.1\r\n"
				   "CSeq: 1 OPTIONS\r\n"
				   "Content-Length: 0\r\n\r\n";
	struct received from = { .source = { .family = AF_INET,
					     .transport = TRANSPORT_UDP,
					     .port = 5060,
					     .ip = { 127, 0, 0, 1 } },
				 .local = { .family = AF_INET,
					    .transport = TRANSPORT_UDP,
					    .port = 5060,
					    .ip = { 127, 0, 0, 1 } } };
	const char *reason;
	if (listener_count() > 0)
		from.listener = listener_at(0);
	struct span bytes = arena_copy(arena, span_make(text, sizeof(text) - 1));
	struct message *msg = bytes.at ? message_parse(arena, bytes, &from, &reason) : NULL;
	if (msg)
		msg->notes |= NOTE_FAKED;
	return msg;
}
