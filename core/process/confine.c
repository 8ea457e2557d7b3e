/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving up capabilities and system calls.
 *
 * The filter lists what is refused (EPERM) and not what is allowed: which calls the C library, the
 * drivers of databases and the programs of exec() make changes with their versions, and a server that
 * ends on the day of an upgrade is no safer. Refused is what changes the machine, looks into other
 * processes, opens other kinds of sockets, or is known as a way into the kernel. */
#include "core/process/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/log.h"

/* ---- capabilities ------------------------------------------------------------------------------ */

#define CAPABILITIES_OF_FILES \
	(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER | 1u << CAP_CHOWN)

static bool drop_capabilities(bool keeps_files)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3], old[_LINUX_CAPABILITY_U32S_3];
	memset(sets, 0, sizeof(sets));
	if (syscall(SYS_capget, &header, old) < 0) {
		log_critical("the capabilities of the process cannot be read: %m");
		return false;
	}
	if (keeps_files)
		sets[0].effective = sets[0].permitted = CAPABILITIES_OF_FILES & old[0].permitted;
	/* Those that a program could get back come first; only who has CAP_SETPCAP may do that. */
	for (int number = 0; prctl(PR_CAPBSET_READ, number) >= 0; number++)
		if (!keeps_files || number >= 32 || !(CAPABILITIES_OF_FILES & 1u << number))
			(void)prctl(PR_CAPBSET_DROP, number);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, sets) < 0) {
		log_critical("the capabilities of the process cannot be given up: %m");
		return false;
	}
	return true;
}

/* ---- system calls ---------------------------------------------------------------------------------- */

static const char *const refused_calls[] = {
	/* other processes */
	"ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp",
	/* the machine: its clock, name, modules, file systems, users' keys */
	"adjtimex", "clock_adjtime", "clock_settime", "settimeofday", "stime", "sethostname", "setdomainname", "reboot",
	"kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module", "swapon",
	"swapoff", "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig",
	"fsmount", "fspick", "mount_setattr", "acct", "quotactl", "quotactl_fd", "syslog", "vhangup", "iopl", "ioperm",
	"add_key", "request_key", "keyctl",
	/* other views of the machine */
	"setns", "unshare",
	/* large parts of the kernel that nothing here uses */
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "fanotify_init",
	"name_to_handle_at", "open_by_handle_at", "lookup_dcookie", "modify_ldt", "personality", "vm86", "vm86old",
	"uselib", "ustat", "sysfs", "_sysctl", "nfsservctl", "mbind", "migrate_pages", "move_pages",
};

/* Namespaces made by clone(); the flags are its first argument everywhere that we run. */
#define NEW_NAMESPACES \
	(CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS)

static int refuse_namespaces(scmp_filter_ctx filter)
{
	int wrong = 0;
	for (unsigned bit = 0; bit < 32 && !wrong; bit++)
		if ((unsigned)NEW_NAMESPACES & 1u << bit)
			wrong = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
						 SCMP_A0(SCMP_CMP_MASKED_EQ, 1u << bit, 1u << bit));
	/* The arguments of clone3 lie in memory, where no filter sees them; the library goes back to clone. */
	return wrong ? wrong
		     : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* All families but local, IPv4, IPv6, and the one that tells of interfaces and routes. */
static int refuse_sockets(scmp_filter_ctx filter)
{
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
	int wrong = 0, from = 0;
	for (size_t i = 0; i < ARRAY_SIZE(families) && !wrong; from = families[i++] + 1)
		for (int family = from; family < families[i] && !wrong; family++)
			wrong = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT),
						 SCMP_SYS(socket), 1,
						 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
	return wrong ? wrong
		     : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
					SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
}

static int fill(scmp_filter_ctx filter)
{
	int wrong = 0;
	for (size_t i = 0; i < ARRAY_SIZE(refused_calls) && !wrong; i++) {
		int number = seccomp_syscall_resolve_name(refused_calls[i]);
		/* What this machine does not have needs no refusal. */
		if (number >= 0)
			wrong = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
	}
	wrong = wrong ? wrong : refuse_namespaces(filter);
	wrong = wrong ? wrong : refuse_sockets(filter);
	return wrong ? wrong : seccomp_load(filter);
}

[[maybe_unused]] static void refuse_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int wrong = filter ? fill(filter) : -ENOMEM;
	if (wrong)
		log_warning(
			"no system calls are refused: %s; confinement=1 says that this is meant",
			strerror(-wrong));
	if (filter)
		seccomp_release(filter);
}

bool confine(enum confinement how, bool keeps_files)
{
	if (how == CONFINE_NOTHING)
		return true;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		log_critical("the process cannot give up new privileges: %m");
		return false;
	}
	if (!drop_capabilities(keeps_files))
		return false;
#ifndef __SANITIZE_ADDRESS__ /* whose search for leaks is done by ptrace */
	if (how == CONFINE_CALLS)
		refuse_calls();
#endif
	return true;
}
