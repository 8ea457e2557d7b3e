/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that show, add and remove rows of a table: each is a row of data here. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "utils/kamctl/commands.h"

#define COLUMNS_MOST 16

enum word_kind {
	WORD_TEXT,
	WORD_NUMBER,
	WORD_ADDRESS,
	WORD_PREFIX_LENGTH,
	WORD_PORT,
	WORD_PROTOCOL,
	WORD_SIP_URI,
	WORD_DIGITS,
	WORD_DECIMAL,
};

struct table_column {
	const char *name;
	enum word_kind kind;
	const char
		*fallback; /* for a word that is not given; NULL in the database when it is NULL */
};

struct table {
	const char *name;        /* NULL: the first word names it */
	const char *reload;      /* family whose reload command brings a change into the server */
	const char *only_once;   /* a column that no two rows may share; may be NULL */
	const char *time_column; /* set to now by `add`; may be NULL */
	struct table_column
		columns[COLUMNS_MOST]; /* in the order of the words; ends with a NULL name */
};

/* ---- words ------------------------------------------------------------------------------------ */

static bool is_address(const char *word)
{
	char buffer[sizeof(struct in6_addr)];
	return inet_pton(AF_INET, word, buffer) == 1 || inet_pton(AF_INET6, word, buffer) == 1;
}

static bool is_one_of(const char *word, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(word, names[i]) == 0)
			return true;
	return false;
}

static bool is_decimal(const char *word)
{
	size_t digits = strspn(word, "0123456789");
	const char *rest = word + digits;
	size_t more = *rest == '.' ? strspn(rest + 1, "0123456789") : 0;
	return digits + more > 0 && !rest[*rest == '.' ? 1 + more : 0];
}

/* NULL, or what the word should be. */
static const char *wrong_with(enum word_kind kind, const char *word)
{
	static const char *const protocols[] = { "any",  "udp", "tcp", "tls",
						 "sctp", "ws",  "wss", "none" };
	int64_t number;
	bool is_number = span_to_int64(span_from(word), &number);
	switch (kind) {
	case WORD_TEXT: return NULL;
	case WORD_NUMBER: return is_number ? NULL : "a number";
	case WORD_ADDRESS: return is_address(word) ? NULL : "an IP address";
	case WORD_PREFIX_LENGTH:
		return is_number && number >= 0 && number <= 128
			       ? NULL
			       : "a prefix length (0-32, IPv6: 0-128)";
	case WORD_PORT:
		return is_number && number >= 0 && number <= 65535 ? NULL : "a port (0: any)";
	case WORD_PROTOCOL:
		return is_one_of(word, protocols, ARRAY_SIZE(protocols))
			       ? NULL
			       : "any, udp, tcp, tls, sctp, ws, wss or none";
	case WORD_SIP_URI:
		return strncasecmp(word, "sip:", 4) == 0 || strncasecmp(word, "sips:", 5) == 0
			       ? NULL
			       : "a SIP URI";
	case WORD_DECIMAL: return is_decimal(word) ? NULL : "a number";
	case WORD_DIGITS:
		return *word && strspn(word, "0123456789*#+") == strlen(word) ? NULL : "digits";
	}
	return NULL;
}

static struct db_value value_of(enum word_kind kind, const char *word)
{
	int64_t number;
	switch (kind) {
	case WORD_NUMBER:
	case WORD_PREFIX_LENGTH:
	case WORD_PORT: return span_to_int64(span_from(word), &number) ? db_int(number) : db_null();
	case WORD_TEXT:
	case WORD_ADDRESS:
	case WORD_PROTOCOL:
	case WORD_SIP_URI:
	case WORD_DIGITS: break;
	case WORD_DECIMAL: return db_double(strtod(word, NULL));
	}
	return db_text(span_from(word));
}

/* The name of the table, which may be the first word. */
static struct span table_of(const struct table *table, struct words *words)
{
	if (table->name)
		return span_from(table->name);
	struct span name = span_from(words->at[0]);
	words->at++;
	words->count--;
	return name;
}

static bool check_words(const struct table *table, struct words words)
{
	for (unsigned i = 0; i < words.count && table->columns[i].name; i++) {
		const char *wanted = wrong_with(table->columns[i].kind, words.at[i]);
		if (wanted) {
			say_error("%s: \"%s\" is not %s", table->columns[i].name, words.at[i],
				  wanted);
			return false;
		}
	}
	return true;
}

static void say_reload(const struct table *table)
{
	if (table->reload)
		say_info("execute 'kamctl %s reload' to synchronize cache and database",
			 table->reload);
}

/* ---- runners ---------------------------------------------------------------------------------- */

static bool is_there(struct db *db, const struct table *table, struct span name, struct words words)
{
	unsigned i = 0;
	while (table->columns[i].name && strcmp(table->columns[i].name, table->only_once) != 0)
		i++;
	struct db_key key = { .column = span_from(table->only_once) };
	struct db_value value = value_of(table->columns[i].kind, words.at[i]);
	if (database_count(db, name, &key, 1, &value) == 0)
		return false;
	say_info("%s already in %.*s table", words.at[i], SPAN_ARGS(name));
	return true;
}

static int run_table_add(const struct command *command, struct words words)
{
	const struct table *table = command->with;
	struct db_column columns[COLUMNS_MOST + 1];
	struct db_value values[COLUMNS_MOST + 1];
	unsigned count = 0;
	struct span name = table_of(table, &words);
	if (!check_words(table, words))
		return EXIT_USAGE;
	struct db *db = database_open(ACCESS_WRITE);
	if (table->only_once && is_there(db, table, name, words))
		return EXIT_REFUSED;
	for (; table->columns[count].name; count++) {
		const struct table_column *column = &table->columns[count];
		const char *word = word_or(words, count, column->fallback);
		columns[count] = (struct db_column){ .name = span_from(column->name) };
		values[count] = word ? value_of(column->kind, word) : db_null();
	}
	if (table->time_column) {
		columns[count] = (struct db_column){ .name = span_from(table->time_column) };
		values[count++] = time_now();
	}
	if (!database_execute(db,
			      database_prepare(db, &(struct db_spec){ .verb = DB_INSERT,
								      .table = name,
								      .columns = columns,
								      .column_count = count }),
			      values, NULL))
		return EXIT_REFUSED;
	say_reload(table);
	return EXIT_DONE;
}

/* address: the length of the prefix is that of the whole address when it is not given. */
static int run_address_add(const struct command *command, struct words words)
{
	const char *with_length[WORDS_MOST];
	if (words.count > 2) {
		int64_t length;
		bool is_ipv4 = !strchr(words.at[1], ':');
		if (is_ipv4 && span_to_int64(span_from(words.at[2]), &length) && length > 32) {
			say_error("mask: %s is too long for an IPv4 address", words.at[2]);
			return EXIT_USAGE;
		}
		return run_table_add(command, words);
	}
	with_length[0] = words.at[0];
	with_length[1] = words.at[1];
	with_length[2] = strchr(words.at[1], ':') ? "128" : "32";
	return run_table_add(command, (struct words){ with_length, 3 });
}

/* Deletes the rows whose first columns are the words. */
static int run_table_rm(const struct command *command, struct words words)
{
	const struct table *table = command->with;
	struct db_key keys[COLUMNS_MOST];
	struct db_value values[COLUMNS_MOST];
	int64_t affected = 0;
	struct span name = table_of(table, &words);
	if (!check_words(table, words))
		return EXIT_USAGE;
	for (unsigned i = 0; i < words.count; i++) {
		keys[i] = (struct db_key){ .column = span_from(table->columns[i].name) };
		values[i] = value_of(table->columns[i].kind, words.at[i]);
	}
	struct db *db = database_open(ACCESS_WRITE);
	if (!database_execute(db,
			      database_prepare(db, &(struct db_spec){ .verb = DB_DELETE,
								      .table = name,
								      .keys = keys,
								      .key_count = words.count }),
			      values, &affected))
		return EXIT_REFUSED;
	if (affected == 0) {
		say_error("no such row in table %.*s; nothing removed", SPAN_ARGS(name));
		return EXIT_REFUSED;
	}
	say_reload(table);
	return EXIT_DONE;
}

/* All rows; words are the keys that rm would have, and `only_once` names the order. */
static int run_table_show(const struct command *command, struct words words)
{
	const struct table *table = command->with;
	struct db_key keys[COLUMNS_MOST];
	struct db_value values[COLUMNS_MOST];
	struct db_order order = { .column = span_from(table->columns[0].name) };
	struct span name = table_of(table, &words);
	if (!check_words(table, words))
		return EXIT_USAGE;
	for (unsigned i = 0; i < words.count; i++) {
		keys[i] = (struct db_key){ .column = span_from(table->columns[i].name) };
		values[i] = value_of(table->columns[i].kind, words.at[i]);
	}
	struct db *db = database_open(ACCESS_READ);
	return database_print(
		       db,
		       database_prepare(
			       db, &(struct db_spec){ .verb = DB_SELECT,
						      .table = name,
						      .keys = keys,
						      .key_count = words.count,
						      .order = &order,
						      .order_count = order.column.len ? 1 : 0 }),
		       values, false)
		       ? EXIT_DONE
		       : EXIT_REFUSED;
}

static const char *const carrier_tables[] = { "carrier_name", "domain_name", "carrierroute" };

static int run_carrier_show(const struct command *command, struct words words)
{
	struct db *db = database_open(ACCESS_READ);
	for (size_t i = 0; i < ARRAY_SIZE(carrier_tables); i++) {
		if (output_is_json())
			printf("%c \"%s\": ", i ? ',' : '{', carrier_tables[i]);
		else
			say("%s:", carrier_tables[i]);
		if (!database_print(
			    db,
			    database_prepare(
				    db, &(struct db_spec){ .verb = DB_SELECT,
							   .table = span_from(carrier_tables[i]) }),
			    NULL, false))
			return EXIT_REFUSED;
	}
	if (output_is_json())
		puts("}");
	return EXIT_DONE;
}

/* Probability that gateway `one` is tried first: module lcr orders gateways by weight times a random
 * number, so it is the integral of the others' chances to stay below (midpoint rule). */
static double probability_of(const int64_t *weights, unsigned count, unsigned one)
{
	enum { STEPS = 100000 };
	double sum = 0;
	for (unsigned step = 0; step < STEPS; step++) {
		double chance = 1, draw = (step + 0.5) / STEPS * (double)weights[one];
		for (unsigned i = 0; i < count; i++)
			if (i != one && draw < (double)weights[i])
				chance *= draw / (double)weights[i];
		sum += chance;
	}
	return sum / STEPS;
}

static int run_weights(const struct command *command, struct words words)
{
	static const struct span columns[] = { SPAN("weight"), SPAN("probability") };
	static const bool are_numbers[] = { true, true };
	int64_t weights[WORDS_MOST];
	for (unsigned i = 0; i < words.count; i++)
		if (!span_to_int64(span_from(words.at[i]), &weights[i]) || weights[i] < 1 ||
		    weights[i] > 254) {
			say_error("\"%s\" is no weight (1-254)", words.at[i]);
			return EXIT_USAGE;
		}
	if (output_is_json())
		rows_begin(columns, ARRAY_SIZE(columns), false);
	for (unsigned i = 0; i < words.count; i++) {
		char number[16];
		snprintf(number, sizeof(number), "%.4f", probability_of(weights, words.count, i));
		const struct span values[] = { span_from(words.at[i]), span_from(number) };
		if (output_is_json())
			rows_add(values, are_numbers);
		else
			printf("weight %s probability %s\n", words.at[i], number);
	}
	if (output_is_json())
		rows_end();
	return EXIT_DONE;
}

/* ---- the tables ------------------------------------------------------------------------------- */

static const struct table trusted = { .name = "trusted",
				      .reload = "trusted",
				      .only_once = "src_ip",
				      .columns = {
					      { "src_ip", WORD_TEXT,
						NULL }, /* host names are allowed here */
					      { "proto", WORD_PROTOCOL, NULL },
					      { "from_pattern", WORD_TEXT, NULL },
					      { "tag", WORD_TEXT, NULL },
				      } };
static const struct table address = { .name = "address",
				      .reload = "address",
				      .columns = {
					      { "grp", WORD_NUMBER, NULL },
					      { "ip_addr", WORD_ADDRESS, NULL },
					      { "mask", WORD_PREFIX_LENGTH, "32" },
					      { "port", WORD_PORT, "0" },
					      { "tag", WORD_TEXT, "" },
				      } };
static const struct table dispatcher = { .name = "dispatcher",
					 .columns = {
						 { "setid", WORD_NUMBER, NULL },
						 { "destination", WORD_SIP_URI, NULL },
						 { "flags", WORD_NUMBER, "0" },
						 { "priority", WORD_NUMBER, "0" },
						 { "attrs", WORD_TEXT, "" },
						 { "description", WORD_TEXT, "" },
					 } };
static const struct table dispatcher_id = { .name = "dispatcher",
					    .columns = { { "id", WORD_NUMBER, NULL } } };
static const struct table dispatcher_ip = { .name = "dispatcher",
					    .columns = {
						    { "destination", WORD_SIP_URI, NULL },
						    { "setid", WORD_NUMBER, NULL },
					    } };
static const struct table mtree = { .columns = {
					    { "tprefix", WORD_DIGITS, NULL },
					    { "tvalue", WORD_TEXT, NULL },
				    } };
static const struct table domain = { .name = "domain",
				     .reload = "domain",
				     .only_once = "domain",
				     .time_column = "last_modified",
				     .columns = {
					     { "domain", WORD_TEXT, NULL },
					     { "did", WORD_TEXT, NULL },
				     } };
static const struct table uid_domain = { .name = "uid_domain",
					 .reload = "uid_domain",
					 .only_once = "domain",
					 .columns = {
						 { "domain", WORD_TEXT, NULL },
						 { "did", WORD_TEXT, "default" },
						 { "flags", WORD_NUMBER, "33" },
					 } };
static const struct table dialplan = { .name = "dialplan",
				       .reload = "dialplan",
				       .columns = {
					       { "dpid", WORD_NUMBER, NULL },
					       { "pr", WORD_NUMBER, NULL },
					       { "match_op", WORD_NUMBER, NULL },
					       { "match_exp", WORD_TEXT, NULL },
					       { "match_len", WORD_NUMBER, NULL },
					       { "subst_exp", WORD_TEXT, NULL },
					       { "repl_exp", WORD_TEXT, NULL },
					       { "attrs", WORD_TEXT, NULL },
				       } };
static const struct table carrier_name = { .name = "carrier_name",
					   .reload = "cr",
					   .columns = {
						   { "id", WORD_NUMBER, NULL },
						   { "carrier", WORD_TEXT, NULL },
					   } };
static const struct table domain_name = { .name = "domain_name",
					  .reload = "cr",
					  .columns = {
						  { "id", WORD_NUMBER, NULL },
						  { "domain", WORD_TEXT, NULL },
					  } };
static const struct table carrierroute = { .name = "carrierroute",
					   .reload = "cr",
					   .columns = {
						   { "carrier", WORD_NUMBER, NULL },
						   { "scan_prefix", WORD_TEXT, NULL },
						   { "domain", WORD_NUMBER, NULL },
						   { "rewrite_host", WORD_TEXT, NULL },
						   { "prob", WORD_DECIMAL, "1" },
						   { "strip", WORD_NUMBER, "0" },
						   { "rewrite_prefix", WORD_TEXT, "" },
						   { "rewrite_suffix", WORD_TEXT, "" },
						   { "flags", WORD_NUMBER, "0" },
						   { "mask", WORD_NUMBER, "0" },
						   { "description", WORD_TEXT, "" },
					   } };
static const struct table gateways = { .name = "lcr_gw",
				       .columns = { { "lcr_id", WORD_NUMBER, NULL } } };
static const struct table rules = { .name = "lcr_rule",
				    .columns = { { "lcr_id", WORD_NUMBER, NULL } } };

static const struct command trusted_commands[] = {
	{ "show", "", "shows the table", 0, 0, run_table_show, &trusted },
	{ "dump", "", "shows what the server has in memory", 0, 0, run_rpc,
	  "permissions.trustedDump" },
	{ "reload", "", "brings the table into the server", 0, 0, run_rpc,
	  "permissions.trustedReload" },
	{ "add", "ADDRESS PROTOCOL [FROM_PATTERN [TAG]]", "adds an entry", 2, 4, run_table_add,
	  &trusted },
	{ "rm", "ADDRESS", "removes all entries of an address", 1, 1, run_table_rm, &trusted },
};
static const struct command address_commands[] = {
	{ "show", "", "shows the table", 0, 0, run_table_show, &address },
	{ "dump", "", "shows what the server has in memory", 0, 0, run_rpc,
	  "permissions.addressDump" },
	{ "reload", "", "brings the table into the server", 0, 0, run_rpc,
	  "permissions.addressReload" },
	{ "add", "GROUP ADDRESS [PREFIX_LENGTH [PORT [TAG]]]", "adds an entry", 2, 5,
	  run_address_add, &address },
	{ "rm", "GROUP ADDRESS", "removes entries", 2, 2, run_table_rm, &address },
};
static const struct command dispatcher_commands[] = {
	{ "show", "", "shows the table", 0, 0, run_table_show, &dispatcher },
	{ "dump", "", "shows what the server has in memory", 0, 0, run_rpc, "dispatcher.list" },
	{ "reload", "", "brings the table into the server", 0, 0, run_rpc, "dispatcher.reload" },
	{ "add", "SET URI [FLAGS [PRIORITY [ATTRS [TEXT]]]]", "adds a destination", 2, 6,
	  run_table_add, &dispatcher },
	{ "rm", "ID", "removes the destination with this id", 1, 1, run_table_rm, &dispatcher_id },
	{ "rmip", "URI SET", "removes a destination from a set", 2, 2, run_table_rm,
	  &dispatcher_ip },
	{ "rmset", "SET", "removes a whole set", 1, 1, run_table_rm, &dispatcher },
};
static const struct command mtree_commands[] = {
	{ "show", "TABLE", "shows the table", 1, 1, run_table_show, &mtree },
	{ "dump", "[TREE]", "shows what the server has in memory", 0, 1, run_rpc, "mtree.list" },
	{ "reload", "[TREE]", "brings the table into the server", 0, 1, run_rpc, "mtree.reload" },
	{ "add", "TABLE PREFIX VALUE", "adds an entry", 3, 3, run_table_add, &mtree },
	{ "rm", "TABLE PREFIX", "removes entries", 2, 2, run_table_rm, &mtree },
};
static const struct command domain_commands[] = {
	{ "show", "", "shows what the server has in memory", 0, 0, run_rpc, "domain.dump" },
	{ "showdb", "", "shows the table", 0, 0, run_table_show, &domain },
	{ "reload", "", "brings the table into the server", 0, 0, run_rpc, "domain.reload" },
	{ "add", "DOMAIN [DID]", "adds a domain", 1, 2, run_table_add, &domain },
	{ "rm", "DOMAIN", "removes a domain", 1, 1, run_table_rm, &domain },
};
static const struct command uid_domain_commands[] = {
	{ "show", "", "shows what the server has in memory", 0, 0, run_rpc, "domain.dump" },
	{ "showdb", "", "shows the table", 0, 0, run_table_show, &uid_domain },
	{ "reload", "", "brings the table into the server", 0, 0, run_rpc, "domain.reload" },
	{ "add", "DOMAIN [DID [FLAGS]]", "adds a domain", 1, 3, run_table_add, &uid_domain },
	{ "rm", "DOMAIN", "removes a domain", 1, 1, run_table_rm, &uid_domain },
};
static const struct command dialplan_commands[] = {
	{ "show", "[DPID]", "shows the table, or one dialplan", 0, 1, run_table_show, &dialplan },
	{ "reload", "", "brings the table into the server", 0, 0, run_rpc, "dialplan.reload" },
	{ "addrule", "DPID PRIO MATCH_OP MATCH_EXP MATCH_LEN SUBST_EXP REPL_EXP ATTRS",
	  "adds a rule", 8, 8, run_table_add, &dialplan },
	{ "rm", "", "removes all dialplans", 0, 0, run_table_rm, &dialplan },
	{ "rmdpid", "DPID", "removes a dialplan", 1, 1, run_table_rm, &dialplan },
	{ "rmrule", "DPID PRIO", "removes a rule", 2, 2, run_table_rm, &dialplan },
};
static const struct command cr_commands[] = {
	{ "show", "", "shows the tables", 0, 0, run_carrier_show, NULL },
	{ "reload", "", "brings the tables into the server", 0, 0, run_rpc, "cr.reload_routes" },
	{ "dump", "", "shows what the server has in memory", 0, 0, run_rpc, "cr.dump_routes" },
	{ "addcn", "ID NAME", "adds the name of a carrier", 2, 2, run_table_add, &carrier_name },
	{ "rmcn", "ID", "removes it", 1, 1, run_table_rm, &carrier_name },
	{ "adddn", "ID NAME", "adds the name of a domain", 2, 2, run_table_add, &domain_name },
	{ "rmdn", "ID", "removes it", 1, 1, run_table_rm, &domain_name },
	{ "addcarrier",
	  "CARRIER PREFIX DOMAIN HOST [PROB [STRIP [REWRITE_PREFIX [REWRITE_SUFFIX [FLAGS [MASK "
	  "[TEXT]]]]]]]",
	  "adds a route", 4, 11, run_table_add, &carrierroute },
	{ "rmcarrier", "CARRIER PREFIX DOMAIN", "removes a route", 3, 3, run_table_rm,
	  &carrierroute },
};
static const struct command lcr_commands[] = {
	{ "show_gws", "[LCR_ID]", "shows the table of gateways", 0, 1, run_table_show, &gateways },
	{ "show_routes", "[LCR_ID]", "shows the table of rules", 0, 1, run_table_show, &rules },
	{ "dump_gws", "", "shows the gateways in memory", 0, 0, run_rpc, "lcr.dump_gws" },
	{ "dump_routes", "", "shows the rules in memory", 0, 0, run_rpc, "lcr.dump_rules" },
	{ "reload", "", "brings the tables into the server", 0, 0, run_rpc, "lcr.reload" },
	{ "eval_weights", "WEIGHT...", "probabilities of gateways with these weights", 1,
	  WORDS_MOST, run_weights, NULL },
};

const struct family table_families[] = {
	FAMILY("address", address_commands, "addresses that are let in (permissions)"),
	FAMILY("trusted", trusted_commands, "peers that are trusted (permissions)"),
	FAMILY("domain", domain_commands, "domains that are ours"),
	FAMILY("uid_domain", uid_domain_commands, "domains of the uid modules"),
	FAMILY("dispatcher", dispatcher_commands, "sets of destinations"),
	FAMILY("dialplan", dialplan_commands, "translation rules"),
	FAMILY("mtree", mtree_commands, "prefix trees"),
	FAMILY("lcr", lcr_commands, "least cost routes"),
	FAMILY("cr", cr_commands, "carrier routes"),
	{ 0 },
};
