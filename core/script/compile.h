/* SPDX-License-Identifier: BSD-2-Clause */
/* compile: from the configuration file to an image, in two phases.
 *
 *   script_read     preprocess, lex, parse. Global parameters, loadmodule and modparam act while the
 *                   file is read, in its order, through `struct config_actions`.
 *   (the caller prepares the modules)
 *   script_build    checks every statement against the registry and emits the image.
 *
 * Everything wrong becomes a diagnostic; both phases go on to find more. */
#pragma once

#include "core/script/image.h"
#include "core/script/registry.h"

/* A value on the right side of `name = value` or of modparam. */
struct config_value {
	bool is_number; /* also yes/no/true/false/on/off/enable/disable, as 1 and 0 */
	bool is_word;   /* written without quotes; `text` is the word */
	int64_t number;
	struct span text; /* absent for plain numbers */
	struct source_position at;
};

/* listen=[proto:]host[:port[-port]] [advertise host[:port]] [name "x"] [virtual], also from
 * `socket = { … }`. Absent parts are absent spans and 0. IPv6 hosts come without brackets. */
struct listen_directive {
	struct span proto, host, name;
	uint16_t port, last_port;
	struct span advertised_host;
	uint16_t advertised_port;
	bool is_virtual;
	struct source_position at;
};

/* What reading acts upon. Each call reports its own mistakes to `diagnostics`; its result only says
 * whether it worked. Pointers may be NULL: then the statement is only parsed (reload, lint). */
struct config_actions {
	void *owner;
	bool (*load_module)(void *owner, struct span name, struct source_position at,
			    struct diagnostics *diagnostics);
	/* loadpath / mpath: directories separated by ':'. */
	bool (*load_path)(void *owner, struct span directories, struct source_position at,
			  struct diagnostics *diagnostics);
	/* `modules` as written: a name, or a regular expression for several ("a|b"). */
	bool (*module_param)(void *owner, struct span modules, struct span name,
			     const struct config_value *value, struct source_position at,
			     struct diagnostics *diagnostics);
	/* loadmodulex and modparamx: the text with its variables replaced, as long-lived as the
	 * configuration. */
	struct span (*evaluate)(void *owner, struct span text, struct source_position at,
				struct diagnostics *diagnostics);
	bool (*global_param)(void *owner, struct span name, const struct config_value *value,
			     struct source_position at, struct diagnostics *diagnostics);
	bool (*listen)(void *owner, const struct listen_directive *listen,
		       struct diagnostics *diagnostics);
	/* One call per name; parts as in listen_directive. */
	bool (*alias)(void *owner, const struct listen_directive *alias,
		      struct diagnostics *diagnostics);
	/* group.name = value desc "…" */
	bool (*custom_param)(void *owner, struct span group, struct span name,
			     const struct config_value *value, struct span description,
			     struct source_position at, struct diagnostics *diagnostics);
};

/* -A, --subst, --substdef, --substdefs. */
struct script_define {
	enum { DEFINE_NAME, DEFINE_SUBST, DEFINE_SUBSTDEF, DEFINE_SUBSTDEFS } kind;
	struct span text; /* "NAME" or "NAME=VALUE"; the expression of the subst forms */
};

struct script_options {
	const char *path; /* the file; with `text` only its name in messages */
	struct span text; /* absent: read `path` */
	const struct script_define *defines;
	unsigned define_count;
	bool quiet_lints; /* errors only */
	struct writer
		*echo; /* --cfg-print: gets the text that is in force; NULL: nobody wants it */
};

struct script_source; /* what was read: routes as trees, flags, files */

/* Reads and parses. `arena` must live as long as positions in diagnostics are shown and until
 * script_build returned. NULL only when the file cannot be read or memory is exhausted; syntax
 * errors are in `diagnostics`. */
[[nodiscard]] struct script_source *script_read(const struct script_options *options,
						const struct config_actions *actions,
						struct arena *arena,
						struct diagnostics *diagnostics);

/* Where the image is put: one block. NULL functions: malloc (before the first fork that is as good
 * as shared memory, because every process inherits it). */
struct script_memory {
	void *(*alloc)(size_t size, const char *name); /* shm_run_alloc */
	void (*free)(void *block);
};

/* Checks and emits. NULL when there are errors. */
[[nodiscard]] const struct image *script_build(struct script_source *source,
					       const struct script_memory *memory,
					       struct diagnostics *diagnostics);

/* For reload: reads the file again without acting on parameters, and builds. Parameters that differ
 * from those that the first script_read acted upon become warnings (needs-restart). */
[[nodiscard]] const struct image *script_rebuild(const struct script_options *options,
						 const struct script_memory *memory,
						 struct arena *arena,
						 struct diagnostics *diagnostics);

/* Core parameters of the language; the defaults hold when this is not called. */
struct script_limits {
	int max_while_loops;     /* 100; 0: no limit */
	int max_recursive_level; /* 256 */
	bool return_mode;        /* return_mode=1: any non-zero return value is true */
	bool phone2tel;          /* sip URIs with user=phone are seen as tel URIs */
};
void script_configure(const struct script_limits *limits);
const struct script_limits *script_limits(void);

/* --explain CODE: a paragraph about a diagnostic's code, or NULL. */
const char *script_explain(const char *code);
/* Walks over all codes; NULL past the end. */
const char *script_explain_code(unsigned i);
