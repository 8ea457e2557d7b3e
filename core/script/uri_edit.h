/* SPDX-License-Identifier: BSD-2-Clause */
/* uri_edit: a URI with one piece changed, as assignments to $rU, $fd … and the core's rewrite
 * functions need it. */
#pragma once

#include "parser/uri.h"

enum uri_piece {
	URI_PIECE_USER,
	URI_PIECE_PASSWORD,
	URI_PIECE_HOST,
	URI_PIECE_PORT,
	URI_PIECE_TRANSPORT
};

/* What the script sees as the user. With phone2tel=1 a sip URI with user=phone is treated as a tel URI:
 * its number, without the parameters that may follow it inside the user part. */
struct span uri_seen_user(const struct sip_uri *uri);
/* The host; of a URN what follows its name space, which is seen as the user. */
struct span uri_seen_host(const struct sip_uri *uri);
/* Those parameters, when they are no part of the user; they stay when the user is rewritten. */
struct span uri_seen_user_params(const struct sip_uri *uri);
/* "tel" for such a URI, else the scheme as written. */
struct span uri_seen_scheme(const struct sip_uri *uri);

/* Writes the URI with the piece replaced, or with an absent or empty value removed. A tel URI that
 * gets a host becomes sip:number;params@host;user=phone, a URN sip:name-space@host. False when the
 * result would be no URI: an absent host, a port for a tel URI. An empty text is written as it is. */
[[nodiscard]] bool uri_write_changed(struct writer *w, const struct sip_uri *uri,
				     enum uri_piece piece, struct span value);
