/* SPDX-License-Identifier: BSD-2-Clause */
/* xavp_path: the inner name of $xavp, $xavi and $xavu: name [ "[" index "]" ] *( "=>" … ). */
#pragma once

#include "core/message/attributes.h"

#define XAVP_MAX_LEVELS 8

struct xavp_level {
	struct span name;
	bool has_index, is_all; /* [n], [*] */
	int index;
};

struct xavp_path {
	struct xavp_level levels[XAVP_MAX_LEVELS];
	unsigned count;
};

/* False when the text is no path; texts borrow from it. */
bool xavp_path_parse(struct span text, struct xavp_path *out_path);
