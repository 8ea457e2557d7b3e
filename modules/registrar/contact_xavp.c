/* SPDX-License-Identifier: BSD-2-Clause */
/* usrloc's xavp_contact: the values of an XAVP that are stored with each binding and come back with
 * it. In a binding they are one text: for each value its name, a zero byte, 'i' or 's', the value,
 * a zero byte. */
#include "modules/registrar/registrar.h"

struct span contact_attributes(const struct message *msg, struct arena *arena)
{
	struct span name = usrloc()->xavp_contact();
	struct xavp *root = name.len ? xavp_find(msg->attributes.xavps, name, 0, false) : NULL;
	struct writer w = writer_in_arena(arena, 64);
	for (const struct xavp *node = root ? root->children : NULL; node; node = node->next) {
		bool is_text = node->value.kind == VALUE_TEXT;
		if (node->has_children || node->value.kind == VALUE_NULL ||
		    (is_text && memchr(node->value.text.at, 0, node->value.text.len)))
			continue;
		writer_span(&w, node->name);
		writer_char(&w, '\0');
		writer_char(&w, is_text ? 's' : 'i');
		if (is_text)
			writer_span(&w, node->value.text);
		else
			writer_int(&w, node->value.number);
		writer_char(&w, '\0');
	}
	return w.failed || !w.len ? (struct span){ NULL, 0 } : writer_result(&w);
}

void contact_attributes_restore(struct message *msg, const struct usrloc_contact *contact)
{
	struct span name = usrloc()->xavp_contact(), rest = contact->attributes, part, value;
	/* Behind those that are there: the first belongs to the Request-URI, the next to the first branch. */
	struct xavp **end = &msg->attributes.xavps;
	while (*end)
		end = &(*end)->next;
	struct xavp *root = name.len && rest.len
				    ? xavp_push(&msg->attributes, end, name, (struct value){ 0 })
				    : NULL;
	struct xavp **last = root ? &root->children : NULL;
	if (!root)
		return;
	root->has_children = true;
	while (rest.len && span_split(&rest, '\0', &part) && span_split(&rest, '\0', &value) &&
	       value.len) {
		int64_t number = 0;
		struct span text = span_slice(value, 1, value.len);
		bool is_number = value.at[0] == 'i' && span_to_int64(text, &number);
		struct xavp *node =
			xavp_push(&msg->attributes, last, part,
				  is_number ? VALUE_OF_INT(number) : VALUE_OF_TEXT(text));
		if (!node)
			return;
		/* The order of the script is kept. */
		last = &node->next;
	}
}
