/* SPDX-License-Identifier: BSD-2-Clause */
/* Host names while the server starts. */
#include "core/net/names.h"

#include <netdb.h>

/* Is `name` this domain or below it? A dot at the end says that the name is complete. */
static bool is_below(struct span name, struct span domain)
{
	if (name.len && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len < domain.len)
		return false;
	struct span tail = span_slice(name, name.len - domain.len, domain.len);
	return span_equal_nocase(tail, domain) &&
	       (name.len == domain.len || name.at[name.len - domain.len - 1] == '.');
}

static unsigned loopback(struct end_point *out_addresses, unsigned most)
{
	static const struct end_point known[] = { { .family = AF_INET, .ip = { 127, 0, 0, 1 } },
						  { .family = AF_INET6, .ip = { [15] = 1 } } };
	unsigned count = 0;
	while (count < most && count < sizeof(known) / sizeof(known[0])) {
		out_addresses[count] = known[count];
		count++;
	}
	return count;
}

static unsigned ask_system(const char *name, struct end_point *out_addresses, unsigned most)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *found = NULL;
	unsigned count = 0;
	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return 0;
	for (const struct addrinfo *one = found; one && count < most; one = one->ai_next) {
		struct sockaddr_storage address = { 0 };
		if (one->ai_family != AF_INET && one->ai_family != AF_INET6)
			continue;
		memcpy(&address, one->ai_addr, one->ai_addrlen);
		end_point_from_sockaddr(&address, TRANSPORT_NONE, &out_addresses[count++]);
	}
	freeaddrinfo(found);
	return count;
}

unsigned name_addresses(struct span name, struct end_point *out_addresses, unsigned most)
{
	char copy[NI_MAXHOST];
	struct end_point literal = { 0 };
	if (most && end_point_parse_ip(name, &literal)) {
		out_addresses[0] = literal;
		return 1;
	}
	if (is_below(name, SPAN_OF("localhost")))
		return loopback(out_addresses, most);
	if (name.len == 0 || name.len >= sizeof(copy) || memchr(name.at, '\0', name.len) ||
	    is_below(name, SPAN_OF("invalid")))
		return 0;
	memcpy(copy, name.at, name.len);
	copy[name.len] = '\0';
	return ask_system(copy, out_addresses, most);
}
