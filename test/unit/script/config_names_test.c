/* SPDX-License-Identifier: BSD-2-Clause */
/* Defines, custom parameters, AVP aliases; a change in one process is seen in another. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/script/config_names.h"
#include "core/shm/map.h"

static void defines_come_and_go(void **state)
{
	struct span name, value;
	config_define_set(SPAN_OF("A"), SPAN_OF("1"));
	config_define_set(SPAN_OF("B"), (struct span){ 0 });
	config_define_set(SPAN_OF("A"), SPAN_OF("2"));
	assert_true(config_define_find(SPAN_OF("A"), &value));
	assert_true(span_equal(value, SPAN_OF("2")));
	assert_true(config_define_find(SPAN_OF("B"), &value));
	assert_int_equal(value.len, 0);
	config_define_remove(SPAN_OF("A"));
	assert_false(config_define_find(SPAN_OF("A"), &value));
	assert_true(config_define_at(0, &name, &value));
	assert_true(span_equal(name, SPAN_OF("B")));
	assert_false(config_define_at(1, &name, &value));
}

static void aliases_give_the_name(void **state)
{
	assert_true(config_avp_alias_set(SPAN_OF("a"), SPAN_OF("s:long")));
	assert_true(span_equal(config_avp_alias_find(SPAN_OF("a")), SPAN_OF("s:long")));
	assert_true(span_equal(config_avp_alias_find(SPAN_OF("b")), SPAN_OF("b")));
}

static void changes_reach_other_processes(void **state)
{
	struct span group = SPAN_OF("g"), number = SPAN_OF("n"), text = SPAN_OF("t");
	struct value value;
	assert_true(shm_init(1 << 20));
	assert_true(config_custom_set(group, number, &VALUE_OF_INT(5), SPAN_OF("")));
	assert_true(config_custom_set(group, text, &VALUE_OF_TEXT(SPAN_OF("old")), SPAN_OF("doc")));
	assert_false(config_custom_change(group, number, &VALUE_OF_INT(6))); /* not shared yet */
	assert_true(config_custom_share());
	assert_true(config_custom_find(group, text, &value));
	assert_true(span_equal(value.text, SPAN_OF("old")));
	pid_t child = fork();
	if (child == 0)
		_exit(!(config_custom_change(group, number, &VALUE_OF_INT(6)) &&
			config_custom_change(group, text, &VALUE_OF_TEXT(SPAN_OF("new")))));
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(config_custom_find(group, number, &value));
	assert_int_equal(value.number, 6);
	assert_true(config_custom_find(group, text, &value));
	assert_true(span_equal(value.text, SPAN_OF("new")));
	assert_false(config_custom_change(group, number, &VALUE_OF_TEXT(SPAN_OF("x"))));
	assert_false(config_custom_change(group, SPAN_OF("none"), &VALUE_OF_INT(1)));
	assert_int_equal(config_custom_at(0)->value.number, 6);
	assert_null(config_custom_at(2));
	shm_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defines_come_and_go),
		cmocka_unit_test(aliases_give_the_name),
		cmocka_unit_test(changes_reach_other_processes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
