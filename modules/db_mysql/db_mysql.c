/* SPDX-License-Identifier: BSD-2-Clause */
/* db_mysql: databases on MariaDB and MySQL servers. */
#include "modules/db_mysql/db_mysql.h"

static struct mysql_settings settings = {
	.ping_interval = 300,
	.connect_timeout = 2,
	.timeout_interval = 2,
	.retries = 1,
	.auto_reconnect = true,
};
const struct mysql_settings *const mysql_settings = &settings;

static const struct field setting_fields[] = {
	FIELD(settings, connect_timeout, "seconds to wait for a connection", .min = 1, .max = 3600),
	FIELD(settings, timeout_interval, "a query is given up after three times as many seconds",
	      .min = 1, .max = 3600),
	FIELD(settings, receive_timeout,
	      "seconds after which a query is given up; 0: see timeout_interval", .min = 0,
	      .max = 3600),
	FIELD(settings, update_affected_found,
	      "1: rows that an UPDATE matched count as affected, also when nothing changed"),
	FIELD(settings, opt_ssl_mode,
	      "0 and 1: TLS is not asked for; 2, 3: TLS or nothing; 4, 5: and the "
	      "server's certificate is verified",
	      .min = 0, .max = 5),
	FIELD(settings, opt_ssl_ca, "file with the certificates that sign the server's"),
	FIELD_IGNORED("ping_interval", "a connection is looked at before it is used"),
	FIELD_IGNORED("send_timeout", "timeout_interval covers the whole query"),
	FIELD_IGNORED("retries", "a query that reads is tried again once on a new connection"),
	FIELD_IGNORED("auto_reconnect", "lost connections are always replaced"),
	FIELD_IGNORED("server_timezone", "times are written in the zone of this server"),
	FIELD_IGNORED("insert_delayed", "servers have given up INSERT DELAYED"),
	FIELD_IGNORED("unsigned_type", "numbers have 64 bits"),
};

static const struct module_interface offers[] = {
	{ DB_DRIVER, DB_DRIVER_VERSION, &mysql_driver },
};

MODULE_EXPORT const struct db_driver *const db_driver_export = &mysql_driver;
MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "db_mysql",
	.doc = "Databases on MariaDB and MySQL servers: mysql://user:password@host:port/name.",
	.settings = { &settings, FIELDS(setting_fields) },
	.offers = ROWS(offers),
};
