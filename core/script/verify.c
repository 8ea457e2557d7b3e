/* SPDX-License-Identifier: BSD-2-Clause */
/* Verifier and disassembler. The machine runs verified code only, so it checks nothing again. */
#include "core/script/keywords.h"
#include "core/script/layout.h"

static const struct {
	const char *name, *operands;
} opcodes[OPCODE_COUNT] = {
#define X(name, operands, text) { #name, operands },
	OPCODES(X)
#undef X
};

/* ---- verifier ------------------------------------------------------------------------------- */

static bool operand_fits(const struct image *image, const struct route_entry *route, char kind,
			 int64_t value)
{
	switch (kind) {
	case 'w':
	case 'r': return value >= 0 && value < route->registers;
	case 'k': return value >= 0 && value < image->constant_count;
	case 'v': return value >= 0 && value < image->variable_count && image->variables[value];
	case 'p': return value >= 0 && value < image->pattern_count && image->patterns[value];
	case 'f': return value >= 0 && value < image->call_count;
	case 't': return value >= 0 && value < image->route_count;
	case 'j': return value >= route->begin && value < route->end;
	case 'q': return value >= 0 && value < KEYWORD_COUNT;
	case 'n': return value >= 0 && value < image->network_count;
	default: return true;
	}
}

static bool ends_route(uint8_t op)
{
	return op == OP_RETURN || op == OP_RETURN_INT || op == OP_LEAVE || op == OP_EXIT ||
	       op == OP_DROP || op == OP_JUMP;
}

static bool instruction_fits(const struct image *image, const struct route_entry *route,
			     const struct instruction *instruction)
{
	if (instruction->op >= OPCODE_COUNT)
		return false;
	const char *operands = opcodes[instruction->op].operands;
	if (!operand_fits(image, route, operands[0], instruction->a) ||
	    !operand_fits(image, route, operands[1], instruction->b) ||
	    !operand_fits(image, route, operands[2], instruction->c))
		return false;
	if (instruction->op == OP_CALL) {
		const struct call_site *site = &image->calls[instruction->c];
		return site->function &&
		       (uint32_t)instruction->b + site->register_count <= route->registers;
	}
	return true;
}

bool image_verify(const struct image *image, struct span *out_error)
{
	struct arena *arena = (struct arena *)&image->arena;
	uint32_t expected = 0;
	for (uint32_t r = 0; r < image->route_count; r++) {
		const struct route_entry *route = &image->routes[r];
		if (route->begin != expected || route->end <= route->begin ||
		    route->end > image->code_count || !ends_route(image->code[route->end - 1].op)) {
			*out_error = arena_printf(arena, "route %u has bad bounds", r);
			return false;
		}
		expected = route->end;
		for (uint32_t pc = route->begin; pc < route->end; pc++) {
			if (!instruction_fits(image, route, &image->code[pc])) {
				*out_error = arena_printf(
					arena, "instruction %u of route %u is bad", pc, r);
				return false;
			}
		}
	}
	if (expected != image->code_count) {
		*out_error = SPAN_OF("code outside of routes");
		return false;
	}
	return true;
}

/* ---- disassembler --------------------------------------------------------------------------- */

static void dump_text(struct writer *out, struct span text)
{
	writer_char(out, '"');
	for (size_t i = 0; i < text.len && i < 60; i++) {
		unsigned char c = (unsigned char)text.at[i];
		if (c == '"' || c == '\\')
			writer_printf(out, "\\%c", c);
		else if (c < 32 || c == 127)
			writer_printf(out, "\\x%02x", c);
		else
			writer_char(out, (char)c);
	}
	writer_string(out, text.len > 60 ? "...\"" : "\"");
}

static void dump_value(struct writer *out, const struct value *value)
{
	if (value->kind == VALUE_INT)
		writer_int(out, value->number);
	else if (value->kind == VALUE_TEXT)
		dump_text(out, value->text);
	else
		writer_string(out, "$null");
}

static void dump_argument(struct writer *out, const struct call_site *site,
			  const struct field *field)
{
	const char *member = (const char *)site->arguments + field->offset;
	const void *pointer;
	struct span text;
	for (uint32_t i = 0; i < site->dynamic_count; i++) {
		if (site->dynamic[i].field != field)
			continue;
		if (site->dynamic[i].template)
			dump_text(out, site->dynamic[i].template->source);
		else
			writer_string(out, "<register>");
		return;
	}
	switch (field->kind) {
	case FIELD_KIND_INT:
	case FIELD_KIND_BOOL: writer_int(out, field_get_int(field, site->arguments)); break;
	case FIELD_KIND_TEXT:
		text = field_get_text(field, site->arguments);
		if (text.at)
			dump_text(out, text);
		else
			writer_char(out, '-');
		break;
	case FIELD_KIND_PATTERN:
		memcpy(&pointer, member, sizeof(pointer));
		if (pointer)
			dump_text(out, pattern_text(pointer));
		else
			writer_char(out, '-');
		break;
	case FIELD_KIND_VARIABLE:
		memcpy(&pointer, member, sizeof(pointer));
		writer_span(out,
			    pointer ? ((const struct variable_ref *)pointer)->text : SPAN_OF("-"));
		break;
	case FIELD_KIND_TEMPLATE:
		memcpy(&pointer, member, sizeof(pointer));
		if (pointer)
			dump_text(out, ((const struct text_template *)pointer)->source);
		else
			writer_char(out, '-');
		break;
	case FIELD_KIND_ACCEPT:
	case FIELD_KIND_IGNORED: break;
	}
}

static void dump_call(struct writer *out, const struct call_site *site)
{
	writer_printf(out, "%s(", site->function->name);
	for (uint32_t i = 0; i < site->function->args.count; i++) {
		if (i)
			writer_literal(out, ", ");
		dump_argument(out, site, &site->function->args.rows[i]);
	}
	writer_char(out, ')');
}

static void dump_operand(struct writer *out, const struct image *image, char kind, int64_t value)
{
	const struct network *network;
	switch (kind) {
	case 'w':
	case 'r': writer_printf(out, "r%lld", (long long)value); break;
	case 'k': dump_value(out, &image->constants[value]); break;
	case 'v': writer_span(out, image->variables[value]->text); break;
	case 'p':
		writer_char(out, '/');
		writer_span(out, pattern_text(image->patterns[value]));
		writer_char(out, '/');
		break;
	case 'f': dump_call(out, &image->calls[value]); break;
	case 't': writer_printf(out, "route[%.*s]", SPAN_ARGS(image->routes[value].name)); break;
	case 'j': writer_printf(out, "-> %lld", (long long)value); break;
	case 'q': writer_string(out, keyword_row((enum keyword)value)->name); break;
	case 'n':
		network = &image->networks[value];
		writer_span(out, network->text);
		break;
	default: writer_int(out, value); break;
	}
}

static void dump_instruction(struct writer *out, const struct image *image, uint32_t pc)
{
	const struct instruction *instruction = &image->code[pc];
	const char *operands = opcodes[instruction->op].operands;
	int64_t values[3] = { instruction->a, instruction->b, instruction->c };
	bool any = false;
	writer_printf(out, "  %4u  %-16s", pc, opcodes[instruction->op].name);
	for (unsigned i = 0; i < 3; i++) {
		if (operands[i] == '.' || (instruction->op == OP_CALL && i == 1 &&
					   image->calls[instruction->c].register_count == 0))
			continue;
		writer_string(out, any ? ", " : " ");
		dump_operand(out, image, operands[i], values[i]);
		any = true;
	}
	writer_char(out, '\n');
}

static void dump_route(struct writer *out, const struct image *image,
		       const struct route_entry *route)
{
	uint32_t line = 0;
	writer_string(out, route_class_name(route->class));
	if (route->name.len)
		writer_printf(out, "[%.*s]", SPAN_ARGS(route->name));
	writer_printf(out, "  %s:%u  %u registers\n", route->file, route->line, route->registers);
	for (uint32_t pc = route->begin; pc < route->end; pc++) {
		const struct source_mark *mark = image_mark(image, pc);
		if (mark && mark->line != line) {
			line = mark->line;
			writer_printf(out, "  line %u\n", line);
		}
		dump_instruction(out, image, pc);
	}
}

void image_dump(const struct image *image, struct writer *out)
{
	for (uint32_t i = 0; i < image->route_count; i++) {
		if (i)
			writer_char(out, '\n');
		dump_route(out, image, &image->routes[i]);
	}
}
