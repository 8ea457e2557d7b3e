/* SPDX-License-Identifier: BSD-2-Clause */
/* db_postgres: databases on PostgreSQL servers. */
#include "modules/db_postgres/db_postgres.h"

static struct postgres_settings settings = {
	.connect_timeout = 2,
};
const struct postgres_settings *const postgres_settings = &settings;

/* con_param = option *( ";" option ) ; option = name "=" value */
static const char *accept_options(struct span text, int64_t number)
{
	struct span option;
	unsigned n = 0;
	while (span_split(&text, ';', &option)) {
		option = span_trim(option);
		size_t equals = span_find(option, '=', 0);
		if (!option.len)
			continue;
		if (equals == 0 || equals == option.len)
			return "expects name=value;name=value";
		if (n == POSTGRES_OPTIONS_MOST)
			return "too many options";
		settings.option_names[n] =
			arena_string(startup_arena(), span_trim(span_slice(option, 0, equals)));
		settings.option_values[n] = arena_string(
			startup_arena(), span_trim(span_slice(option, equals + 1, option.len)));
		if (!settings.option_names[n] || !settings.option_values[n])
			return "no memory";
		n++;
	}
	settings.option_names[n] = NULL;
	return NULL;
}

static const struct field setting_fields[] = {
	FIELD(settings, timeout, "seconds after which a query is given up; 0: 10", .min = 0,
	      .max = 3600),
	FIELD(settings, connect_timeout, "seconds to wait for a connection", .min = 2, .max = 3600),
	FIELD(settings, tcp_keepalive,
	      "seconds without traffic before the kernel asks whether the server "
	      "is there; 0: as the system does",
	      .min = 0, .max = 86400),
	FIELD_ACCEPT("con_param", accept_options, "more options of libpq: name=value;name=value"),
	FIELD_IGNORED("retries", "a query that reads is tried again once on a new connection"),
	FIELD_IGNORED("lockset", "the server replaces rows by itself"),
	FIELD_IGNORED("bytea_output_escape", "both notations are understood"),
};

static const struct module_interface offers[] = {
	{ DB_DRIVER, DB_DRIVER_VERSION, &postgres_driver },
};

MODULE_EXPORT const struct db_driver *const db_driver_export = &postgres_driver;
MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "db_postgres",
	.doc = "Databases on PostgreSQL servers: postgres://user:password@host:port/name.",
	.settings = { &settings, FIELDS(setting_fields) },
	.offers = ROWS(offers),
};
