/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge: bringing parties together with REFER. */
#pragma once

#include "modules/dialog/rows.h"

/* Calls `from` and refers it to `to`, by the proxy when that is not empty. An absent body: one that
 * puts the call on hold; an empty one: none. False after an error was logged. */
bool bridge_start(struct span from, struct span to, struct span proxy, struct span body);
/* dlg_refer: the script's result. */
int refer_dialog(struct script_run *run, struct dialog_name name, struct span side,
		 struct span address);
