/* SPDX-License-Identifier: BSD-2-Clause */
/* keeper: the process that does what may take long, so that workers need not: snapshots of the
 * journal. */
#pragma once

#include "core/module/module.h"

bool keeper_wanted(void);
bool keeper_start(void);
