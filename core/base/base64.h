/* SPDX-License-Identifier: BSD-2-Clause */
/* base64: bytes as text (RFC 4648 4 and 5). */
#pragma once

#include <stdbool.h>

#include "core/base/writer.h"

extern const char base64_plain[65]; /* the alphabets: with "+/" */
extern const char base64_url[65];   /* and with "-_" */

/* Writes `bytes` in the alphabet; `pad` completes the last group with "=". */
void base64_write(struct writer *w, struct span bytes, const char *alphabet, bool pad);
/* Writes the bytes that a text in the alphabet stands for; false when it is none. Line ends between characters
 * are skipped; padding may be absent only when `needs_padding` is false. */
[[nodiscard]] bool base64_read(struct writer *w, struct span text, const char *alphabet,
			       bool needs_padding);
