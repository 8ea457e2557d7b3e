/* SPDX-License-Identifier: BSD-2-Clause */
/* keepalive: requests to the contacts of bindings (ka_mode). The answers tell how long the way takes
 * and that the contact lives; one that does not answer any more loses its binding. */
#pragma once

#include "core/module/module.h"

/* Bits of ka_mode: all three are filters on top of each other. */
#define KEEPALIVE_ALL 1
#define KEEPALIVE_NAT 2
#define KEEPALIVE_UDP 4
/* A bit of ka_filter. */
#define KEEPALIVE_OWN 1
/* ka_loglevel: no line. */
#define KEEPALIVE_NO_LOG 255

struct keepalive_options {
	int64_t mode, filter;
	int64_t timeout_s; /* without an answer; 0: contacts stay */
	int64_t log_level; /* of the line for an answer */
	int64_t round_s;   /* time in which each contact is asked once */
	int nat_flag;      /* branch flag, -1: none */
	bool uses_domain;  /* addresses-of-record have one */
	struct span method, from, domain, log_text;
};

/* Checks the options; before the first fork. False after a diagnostic. */
[[nodiscard]] bool keepalive_prepare(const struct keepalive_options *options,
				     struct diagnostics *diagnostics);
/* Timer of every worker: each asks its share of the contacts. */
int64_t keepalive_period_ms(void);
void keepalive_run(void);
/* The answers to our requests end here. */
enum claim_result keepalive_answered(struct message *reply);
