/* SPDX-License-Identifier: BSD-2-Clause */
/* attributes: rows of location_attrs, one per value that xavp_contact keeps with a binding. */
#pragma once

#include "modules/usrloc/location.h"

void attributes_prepare(struct db *database, struct span user, struct span ruid,
			struct span domain);
/* "<table>_attrs". */
struct span attributes_table(struct arena *arena, unsigned domain);
/* Gives bindings that were loaded their attributes. */
bool attributes_load(unsigned domain);
/* Replaces the rows of one binding. */
enum db_status attributes_write(struct db_transaction *transaction,
				const struct usrloc_contact *contact);
