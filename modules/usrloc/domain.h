/* SPDX-License-Identifier: BSD-2-Clause */
/* domain: the tables of the location service; location.h has what others use. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

[[nodiscard]] bool domains_prepare(void);
void domain_count_contacts(unsigned domain, int64_t change);
