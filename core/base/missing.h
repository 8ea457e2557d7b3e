/* SPDX-License-Identifier: BSD-2-Clause */
/* missing: modules and functions that a file uses and that are not there. Each is told once; what
 * else depends on it is counted in the hint of that diagnostic instead of following as an error of
 * its own. */
#pragma once

#include "core/base/diagnostic.h"

enum missing_use { MISSING_SETTING, MISSING_CALL, MISSING_VALUE, MISSING_MODULE };
#define MISSING_USES 4

/* `d` says that `module` is not there. `hint` is the beginning of what it advises; may be NULL. */
void missing_module_told(struct diagnostics *all, struct span module, struct diagnostic *d,
			 const char *hint);
/* True when that was said before: `name`, which `module` provides, is added to it and the caller
 * says nothing. */
[[nodiscard]] bool missing_module_uses(struct diagnostics *all, struct span module,
				       enum missing_use use, struct span name);

/* The same for a function that nobody knows. */
void missing_function_told(struct diagnostics *all, struct span function, struct diagnostic *d,
			   const char *hint);
[[nodiscard]] bool missing_function_again(struct diagnostics *all, struct span function,
					  uint32_t line);
