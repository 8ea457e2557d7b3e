/* SPDX-License-Identifier: BSD-2-Clause */
/* rows: dialogs in the tables dialog and dialog_vars of Kamailio 5.6. Rows are written behind the
 * calls' backs, so no call waits for a database and none is lost while it is away. */
#pragma once

#include "modules/dialog/profiles.h"

enum rows_mode { ROWS_NONE, ROWS_REALTIME, ROWS_DELAYED, ROWS_AT_STOP };

/* Columns, in the order of the row; names are settings. */
enum row_column {
	COLUMN_H_ENTRY,
	COLUMN_H_ID,
	COLUMN_CALL_ID,
	COLUMN_FROM_URI,
	COLUMN_FROM_TAG,
	COLUMN_TO_URI,
	COLUMN_TO_TAG,
	COLUMN_FROM_CSEQ,
	COLUMN_TO_CSEQ,
	COLUMN_FROM_ROUTE,
	COLUMN_TO_ROUTE,
	COLUMN_FROM_CONTACT,
	COLUMN_TO_CONTACT,
	COLUMN_FROM_SOCK,
	COLUMN_TO_SOCK,
	COLUMN_STATE,
	COLUMN_START_TIME,
	COLUMN_TIMEOUT,
	COLUMN_SFLAGS,
	COLUMN_IFLAGS,
	COLUMN_TOROUTE,
	COLUMN_REQ_URI,
	COLUMN_XDATA,
	ROW_COLUMNS
};
enum variable_column { VAR_H_ENTRY, VAR_H_ID, VAR_KEY, VAR_VALUE, VAR_COLUMNS };

struct rows_settings {
	struct span db_url, table_name, vars_table_name;
	int64_t db_mode, db_update_period;
	bool db_skip_load;
	struct span columns[ROW_COLUMNS];
	struct span vars[VAR_COLUMNS];
};

[[nodiscard]] bool rows_prepare(const struct rows_settings *settings,
				struct diagnostics *diagnostics);
/* Checks the tables and restores what they hold; false after an error was logged. */
[[nodiscard]] bool rows_start(void);
bool rows_are_kept(void);
/* What the timer of one worker does, and how often; ms, 0: never. */
void rows_tick(void);
int64_t rows_period(void);
/* Writes all that is not written, at the end of the server. */
void rows_finish(void);
/* Loads dialogs that are not in memory: of one call, or with an absent text all. The number, or -1. */
int64_t rows_load(struct span call_id);
