/* SPDX-License-Identifier: BSD-2-Clause */
/* tmx: what its two files share. */
#pragma once

#include "modules/tm/tm_api.h"

extern const struct tm_api *tm_of_tmx;
extern const struct variable_row tmx_variables[];
#define TMX_VARIABLE_COUNT 10
