/* SPDX-License-Identifier: BSD-2-Clause */
/* sanity: shared by the files of this module. */
#pragma once

#include "core/module/module.h"

/* Bits of sanity_check's first argument. */
enum sanity_bit {
	SANITY_URI_VERSION = 1 << 0,
	SANITY_URI_SCHEME = 1 << 1,
	SANITY_REQUIRED_HEADERS = 1 << 2,
	SANITY_VIA_VERSION = 1 << 3,  /* no check, as in the peer */
	SANITY_VIA_PROTOCOL = 1 << 4, /* no check, as in the peer */
	SANITY_CSEQ_METHOD = 1 << 5,
	SANITY_CSEQ_VALUE = 1 << 6,
	SANITY_CONTENT_LENGTH = 1 << 7,
	SANITY_EXPIRES = 1 << 8,
	SANITY_PROXY_REQUIRE = 1 << 9,
	SANITY_URIS = 1 << 10,
	SANITY_DIGEST = 1 << 11,
	SANITY_DUPLICATE_TAGS = 1 << 12,
	SANITY_AUTHORIZATION = 1 << 13,
	SANITY_FIRST_VIA = 1 << 14,
	SANITY_RFC3261 = 1 << 15,
	SANITY_SIZES = 1 << 16,
	SANITY_ALL = (1 << 17) - 1,
};

/* Bits of its second argument. */
enum sanity_uri {
	SANITY_URI_REQUEST = 1,
	SANITY_URI_FROM = 2,
	SANITY_URI_TO = 4,
	SANITY_URI_CONTACT = 8
};

struct sanity_settings {
	int64_t default_checks;
	int64_t uri_checks;
	struct span proxy_require;
	bool autodrop;
	bool noreply;
	bool size_checks;
	int64_t size_message, size_headers, size_body, size_header, size_method;
	int64_t size_ruri, size_from_uri, size_to_uri, size_contact_uri, size_route_uri,
		size_path_uri, size_pai_uri;
};
extern const struct sanity_settings *const sanity_settings;

/* What is wrong with a message, as it is told to the sender. */
struct sanity_fault {
	unsigned code; /* 0: nothing */
	const char *reason;
	struct span line; /* header line for the reply; absent when there is none */
};

/* One check: what is wrong, or a fault with code 0. */
typedef struct sanity_fault (*sanity_check_function)(struct message *msg, int64_t uri_bits);
struct sanity_row {
	uint32_t bit;
	sanity_check_function check;
};
/* In the order in which they are made. */
extern const struct sanity_row sanity_rows[];
extern const unsigned sanity_row_count;
