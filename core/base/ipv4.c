/* SPDX-License-Identifier: BSD-2-Clause */
/* ipv4: one pass over the digits. */
#include "core/base/ipv4.h"

struct ipv4_text ipv4_read(const char *at, const char *end)
{
	struct ipv4_text none = { 0 }, found = { 0 };
	for (unsigned part = 0; part < 4; part++) {
		unsigned number, digit;
		if (part > 0 && (at == end || *at++ != '.'))
			return none;
		if (at == end || (number = (unsigned char)*at - (unsigned)'0') > 9)
			return none;
		at++;
		if (at < end && (digit = (unsigned char)*at - (unsigned)'0') <= 9) {
			found.has_leading_zeros |= number == 0;
			number = number * 10 + digit;
			at++;
			if (at < end && (digit = (unsigned char)*at - (unsigned)'0') <= 9) {
				number = number * 10 + digit;
				at++;
			}
			if (number > 255)
				return none;
		}
		found.number = found.number << 8 | number;
	}
	found.end = at;
	return found;
}
