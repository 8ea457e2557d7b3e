/* SPDX-License-Identifier: BSD-2-Clause */
/* rows: bindings as rows of the tables location and location_attrs of Kamailio 5.6. Calls may wait
 * for the database; no lock may be held. */
#pragma once

#include "modules/usrloc/location.h"

enum row_column {
	COLUMN_RUID,
	COLUMN_USER,
	COLUMN_DOMAIN,
	COLUMN_CONTACT,
	COLUMN_RECEIVED,
	COLUMN_PATH,
	COLUMN_EXPIRES,
	COLUMN_Q,
	COLUMN_CALL_ID,
	COLUMN_CSEQ,
	COLUMN_MODIFIED,
	COLUMN_FLAGS,
	COLUMN_CFLAGS,
	COLUMN_USER_AGENT,
	COLUMN_SOCKET,
	COLUMN_METHODS,
	COLUMN_INSTANCE,
	COLUMN_REG_ID,
	COLUMN_SERVER_ID,
	COLUMN_CONNECTION,
	COLUMN_KEEPALIVE,
	COLUMN_PARTITION,
	COLUMN_COUNT
};

struct row_options {
	struct db *database;
	struct span columns[COLUMN_COUNT]; /* their names */
	bool uses_domain;
	bool expires_is_number; /* expires_type */
	bool skip_remote_socket;
	bool own_server_only; /* server_id_filter */
	bool clean_streams;   /* db_clean_tcp */
	bool has_attributes;  /* xavp_contact: location_attrs is used */
	int nat_flag;
	uint32_t server_id;
	int64_t expired_delay_s; /* rm_expired_delay */
	bool check_version;
};

void rows_prepare(const struct row_options *options);
/* Is the table there as we need it? At start; false after an error was logged. */
bool rows_check(unsigned domain);
/* Reads a whole table into the store, with progress on the log; false when the database failed. */
bool rows_load(unsigned domain);
/* Puts what the database has of one address-of-record into the store, and takes out of the store
 * what the database does not have. */
enum db_status rows_refresh(unsigned domain, struct span aor);

/* One transaction in which rows are written. */
enum db_status rows_begin(struct db_transaction *out);
/* Writes these bindings, new ones and changed ones alike; those whose state is BINDING_GONE are
 * deleted. DB_REJECTED: one of them is not acceptable. */
enum db_status rows_write(struct db_transaction *transaction, const struct usrloc_contact *contacts,
			  unsigned count);
/* Deletes rows that expired. */
enum db_status rows_clean(unsigned domain);

/* User and domain of an address-of-record. */
struct span rows_split_aor(struct span aor, struct span *out_domain);

enum row_count { COUNT_USERS, COUNT_CONTACTS, COUNT_EXPIRED };
/* False when the database failed. */
bool rows_count(unsigned domain, enum row_count what, int64_t *out_count);
