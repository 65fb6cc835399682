/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "process/sandbox.h"

/* A leak checker forks a tracer and reads /proc; shadow memory counts as private memory. Only what is
 * built with a sanitizer gets that. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The headers of Debian 12 lack these. The kernel never changes the numbers. */
#define FS_TRUNCATE (1ULL << 14)	/* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15)	/* ABI 5 */
#define NET_BIND_TCP (1ULL << 0)	/* ABI 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0)	/* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)

struct ruleset {	/* struct landlock_ruleset_attr; an older kernel wants the rest to be 0 */
	uint64_t fs, net, scoped;
};

#define FS_ABI2 (LANDLOCK_ACCESS_FS_REFER * 2 - 1)	/* everything up to REFER */
#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)
#define FS_DIRS (LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR)
#define FS_OF_A_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)
#define LANDLOCK_ABI_MIN 2
#define NO_ACCESS SCMP_ACT_ERRNO(EACCES)

/* The allow-lists; each profile has those before it. -1 ends a list. */
static const int compute[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(dup),
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(getrandom), SCMP_SYS(futex),
	SCMP_SYS(sched_yield), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid),
	SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(times),
	SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(sched_getaffinity), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(sigaltstack), SCMP_SYS(setitimer),
	SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list), SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
	-1,
};
static const int reader[] = {
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs),
	SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd),
	SCMP_SYS(fadvise64), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
	SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(pipe2), SCMP_SYS(getrlimit),
	SCMP_SYS(wait4), SCMP_SYS(waitid),
	SCMP_SYS(flock),	/* spool-check: does the maker of this stage live? */
	-1,
};
/* No ftruncate, no fallocate, no fchmod: they work on a journal that is open for appending only. */
static const int writer[] = {
	SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(creat), SCMP_SYS(pwrite64), SCMP_SYS(link),
	SCMP_SYS(linkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlink),
	SCMP_SYS(unlinkat), SCMP_SYS(rmdir), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(syncfs), SCMP_SYS(umask),
	-1,
};
static const int server[] = {
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime), SCMP_SYS(signalfd4), SCMP_SYS(inotify_init1),
	SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch), SCMP_SYS(accept), SCMP_SYS(accept4),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(getsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	-1,
};
static const int client[] = {
	SCMP_SYS(shutdown), SCMP_SYS(recvmmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg),
	SCMP_SYS(setsockopt),
	SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(connect),
	SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(prctl), SCMP_SYS(memfd_create),
	-1,
};
/* With forks: a child asks to die with its parent, and confines itself further. */
static const int forker[] = {
	SCMP_SYS(prctl), SCMP_SYS(close_range), SCMP_SYS(socketpair),
	SCMP_SYS(wait4), SCMP_SYS(landlock_create_ruleset), SCMP_SYS(landlock_add_rule),
	SCMP_SYS(landlock_restrict_self), SCMP_SYS(seccomp), SCMP_SYS(setrlimit),
	-1,
};
static const int sanitizer[] = {
	SCMP_SYS(clone), SCMP_SYS(ptrace), SCMP_SYS(wait4), SCMP_SYS(openat), SCMP_SYS(getdents),
	SCMP_SYS(getdents64), SCMP_SYS(open), SCMP_SYS(stat), SCMP_SYS(lstat),
	SCMP_SYS(prctl), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(kill), SCMP_SYS(tgkill),
	SCMP_SYS(process_vm_readv), SCMP_SYS(newfstatat), SCMP_SYS(pipe2),
	SCMP_SYS(fcntl), SCMP_SYS(getcwd),
	-1,
};
static const int by_condition[] = { SCMP_SYS(clone), -1 };
/* No profile has these without its list above, and nobody makes them by accident. */
static const int deadly[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(clone),
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_getfd), SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(bind), SCMP_SYS(listen),
	SCMP_SYS(connect), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount), SCMP_SYS(pivot_root),
	SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(open_by_handle_at),
	SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd), SCMP_SYS(add_key), SCMP_SYS(keyctl), SCMP_SYS(request_key),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(sethostname),
	SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(mknod), SCMP_SYS(mknodat),
	SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setresuid), SCMP_SYS(setgroups),
	SCMP_SYS(capset), SCMP_SYS(memfd_create), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(modify_ldt),
	-1,
};

static bool in_list(const int *list, int call)
{
	while (*list != -1 && *list != call)
		list++;
	return *list != -1;
}

static int allow_all(scmp_filter_ctx f, const int *list)
{
	int result = 0;

	for (; *list != -1 && result == 0; list++)
		result = seccomp_rule_add(f, SCMP_ACT_ALLOW, *list, 0);
	return result;
}

/* The call, only when the bits of mask in one argument have this value. */
static int when_bits(scmp_filter_ctx f, uint32_t action, int call, unsigned argument, uint64_t mask,
    uint64_t value)
{
	return seccomp_rule_add(f, action, call, 1,
	    (struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, mask, value});
}

static int when_equal(scmp_filter_ctx f, int call, unsigned argument, uint64_t value)
{
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 1,
	    (struct scmp_arg_cmp){argument, SCMP_CMP_EQ, value, 0});
}

/* Allows what a server does with its connections, but nothing that ends a listener, which all workers share
 * (SHUT_RD), or connects to another host (MSG_FASTOPEN, an address to send to; so no sendmsg, which seccomp cannot
 * look into). */
static int add_socket_calls(scmp_filter_ctx f)
{
	static const struct { int level, option; } options[] = {
		{SOL_SOCKET, SO_KEEPALIVE}, {IPPROTO_TCP, TCP_NODELAY}, {IPPROTO_TCP, TCP_KEEPIDLE},
		{IPPROTO_TCP, TCP_KEEPINTVL}, {IPPROTO_TCP, TCP_KEEPCNT},
	};
	int result = when_equal(f, SCMP_SYS(shutdown), 1, SHUT_WR);

	if (result == 0)
		result = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 2,
		    (struct scmp_arg_cmp){3, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0},
		    (struct scmp_arg_cmp){4, SCMP_CMP_EQ, 0, 0});
	for (size_t i = 0; i < sizeof options / sizeof *options && result == 0; i++)
		result = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
		    (struct scmp_arg_cmp){1, SCMP_CMP_EQ, (scmp_datum_t)options[i].level, 0},
		    (struct scmp_arg_cmp){2, SCMP_CMP_EQ, (scmp_datum_t)options[i].option, 0});
	return result;
}

/* Allows system calls by their arguments. */
static int add_conditions(scmp_filter_ctx f, const struct sandbox *sb)
{
	static const int fcntls[] = { F_GETFD, F_SETFD, F_GETFL, F_DUPFD, F_DUPFD_CLOEXEC,
		F_GETLK, F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW };
	const uint64_t spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
	    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	int result;

	/* isatty() and the width of a terminal; the rest of ioctl is a large place. */
	if ((result = when_equal(f, SCMP_SYS(ioctl), 1, TCGETS)) == 0)
		result = when_equal(f, SCMP_SYS(ioctl), 1, TIOCGWINSZ);
	/* Not for sending signals by F_SETOWN, nor leases. */
	for (size_t i = 0; i < sizeof fcntls / sizeof *fcntls && result == 0 && !SANITIZED; i++)
		result = when_equal(f, SCMP_SYS(fcntl), 1, (uint64_t)fcntls[i]);
	/* A server shares listeners, journal and log with others: none of them may begin to block, or to write
	 * elsewhere than at the end. */
	if (result == 0 && !SANITIZED && sb->profile != SANDBOX_SERVER)
		result = when_equal(f, SCMP_SYS(fcntl), 1, F_SETFL);
	/* Its own limits: somebody else would die of a limit of processor time. */
	if (result == 0 && (sb->profile >= SANDBOX_READER || SANITIZED))
		result = when_equal(f, SCMP_SYS(prlimit64), 0, 0);
	if (result == 0 && sb->profile == SANDBOX_SERVER)
		result = add_socket_calls(f);
	/* A signal to itself, as an abort is; to somebody else it is ENOSYS. */
	if (result == 0 && !SANITIZED && (result = when_equal(f, SCMP_SYS(tgkill), 0, (uint64_t)getpid())) == 0)
		result = when_equal(f, SCMP_SYS(kill), 0, (uint64_t)getpid());
	/* Processes and threads, but no new name spaces. clone3 hides its flags and stays ENOSYS. */
	if (result == 0 && !SANITIZED && (sb->forks || sb->profile == SANDBOX_CLIENT))
		result = when_bits(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 0, spaces, 0);
	/* No memory that can be executed; only a client's libc loads plug-ins, for names of hosts. */
	for (size_t i = 0; i < 2 && result == 0 && sb->profile != SANDBOX_CLIENT; i++) {
		int call = i == 0 ? SCMP_SYS(mmap) : SCMP_SYS(mprotect);

		if ((result = when_bits(f, SCMP_ACT_ALLOW, call, 2, PROT_EXEC, 0)) == 0)
			result = when_bits(f, NO_ACCESS, call, 2, PROT_EXEC, PROT_EXEC);
	}
	/* libc calls it for fstat. It also gives the size of any path. */
	if (result == 0 && sb->profile == SANDBOX_COMPUTE && !SANITIZED)
		result = when_bits(f, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH);
	return result;
}

/* Opening: not at all, or only for reading. A writer's openat is in its list. */
static int add_opens(scmp_filter_ctx f, enum sandbox_profile profile)
{
	static const uint64_t changing[] = { O_WRONLY, O_RDWR, O_CREAT, O_TRUNC };
	int result = 0;

	if (profile >= SANDBOX_WRITER || SANITIZED)
		return 0;
	if (profile == SANDBOX_COMPUTE) {
		result = seccomp_rule_add(f, NO_ACCESS, SCMP_SYS(openat), 0);
		return result == 0 ? seccomp_rule_add(f, NO_ACCESS, SCMP_SYS(open), 0) : result;
	}
	/* O_TMPFILE works with O_WRONLY or O_RDWR only. */
	result = when_bits(f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_TRUNC, 0);
	for (size_t i = 0; i < sizeof changing / sizeof *changing && result == 0; i++)
		result = when_bits(f, NO_ACCESS, SCMP_SYS(openat), 2, changing[i], changing[i]);
	return result;
}

static int add_deadly(scmp_filter_ctx f, const int *const *allowed, size_t n)
{
	int result = 0;

	for (const int *call = deadly; *call != -1 && result == 0; call++) {
		bool is_allowed = false;

		for (size_t i = 0; i < n; i++)
			is_allowed = is_allowed || in_list(allowed[i], *call);
		if (!is_allowed)
			result = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, *call, 0);
	}
	return result;
}

static int restrict_calls(const struct sandbox *sb)
{
	const int *allowed[8];
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int result = 0;
	size_t n = 0;

	if (f == NULL) {
		errno = ENOMEM;
		return -1;
	}
	allowed[n++] = compute;
	if (sb->profile >= SANDBOX_READER)
		allowed[n++] = reader;
	if (sb->profile >= SANDBOX_WRITER)
		allowed[n++] = writer;
	if (sb->profile >= SANDBOX_SERVER)
		allowed[n++] = server;
	if (sb->profile == SANDBOX_CLIENT)
		allowed[n++] = client;
	if (sb->forks)
		allowed[n++] = forker;
	if (SANITIZED)
		allowed[n++] = sanitizer;
	/* A binary tree instead of a list: the last call costs no more than the first. */
	seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < n && result == 0; i++)
		result = allow_all(f, allowed[i]);
	if (sb->forks || sb->profile == SANDBOX_CLIENT)
		allowed[n++] = by_condition;
	if (result == 0 && (result = add_conditions(f, sb)) == 0 &&
	    (result = add_opens(f, sb->profile)) == 0 && (result = add_deadly(f, allowed, n)) == 0)
		result = seccomp_load(f);
	seccomp_release(f);
	errno = -result;
	return result == 0 ? 0 : -1;
}

static int landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static uint64_t rights_of(unsigned rights)
{
	return (rights & SANDBOX_READ ? FS_READ : 0) | (rights & SANDBOX_WRITE ? FS_WRITE : 0) |
	    (rights & SANDBOX_DIRS ? FS_DIRS : 0);
}

static int add_path(int ruleset, uint64_t handled, const struct sandbox_path *p)
{
	struct landlock_path_beneath_attr rule = {.parent_fd = p->dirfd};
	struct stat st;
	int result;

	if (p->path != NULL && (rule.parent_fd = openat(p->dirfd, p->path, O_PATH | O_CLOEXEC)) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -1;
	rule.allowed_access = rights_of(p->rights) & handled;
	if ((result = fstat(rule.parent_fd, &st)) == 0) {
		if (!S_ISDIR(st.st_mode))
			rule.allowed_access &= FS_OF_A_FILE;
		result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	}
	if (p->path != NULL) {
		int saved = errno;

		close(rule.parent_fd);
		errno = saved;
	}
	return result;
}

static int restrict_paths(const struct sandbox *sb, int abi)
{
	static const struct sandbox_path proc = {AT_FDCWD, "/proc", SANDBOX_READ};
	struct ruleset r = {.fs = FS_ABI2};
	int fd, result = 0, saved;

	if (abi >= 3)
		r.fs |= FS_TRUNCATE;
	if (abi >= 5)
		r.fs |= FS_IOCTL_DEV;
	if (abi >= 4 && sb->profile != SANDBOX_CLIENT)
		r.net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (abi >= 6 && sb->profile != SANDBOX_CLIENT)
		r.scoped = SCOPE_ABSTRACT_UNIX;
	/* A process with children from before needs its death to reach them: the kernel sends that signal in
	 * its name. Readers and writers have seccomp, which knows but one addressee. */
	if (abi >= 6 && (sb->profile == SANDBOX_COMPUTE || sb->profile == SANDBOX_SERVER))
		r.scoped |= SCOPE_SIGNAL;
	if ((fd = (int)syscall(SYS_landlock_create_ruleset, &r, sizeof r, 0)) < 0)
		return -1;
	for (size_t i = 0; i < sb->paths && result == 0; i++)
		result = add_path(fd, r.fs, &sb->path[i]);
	if (result == 0 && SANITIZED)
		result = add_path(fd, r.fs, &proc);
	if (result == 0)
		result = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

/* Lowers a limit; one that is lower already stays. */
static int limit(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit r;

	if (getrlimit(resource, &r) != 0)
		return -1;
	r.rlim_max = r.rlim_max < hard ? r.rlim_max : hard;
	r.rlim_cur = r.rlim_cur < soft ? r.rlim_cur : soft;
	if (r.rlim_cur > r.rlim_max)
		r.rlim_cur = r.rlim_max;
	return setrlimit(resource, &r);
}

/* Private memory of this process now, in bytes; without /proc a guess that leaves room enough. */
static uint64_t data_size(void)
{
	unsigned long pages = 0;
	char text[256];
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%*u %*u %*u %*u %*u %lu", &pages) != 1)
		return (uint64_t)64 << 20;
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int restrict_resources(const struct sandbox *sb, uint64_t have)
{
	rlim_t seconds = sb->seconds, none = 0;

	if (limit(RLIMIT_CORE, none, none) != 0)
		return -1;
	if (SANITIZED)
		return 0;
	/* First SIGXCPU, which tells whoever waits for us why; a second later SIGKILL. */
	if (seconds != 0 && limit(RLIMIT_CPU, seconds, seconds + 1) != 0)
		return -1;
	if (sb->memory != 0 && limit(RLIMIT_DATA, have + sb->memory, have + sb->memory) != 0)
		return -1;
	if (!sb->forks && sb->profile != SANDBOX_CLIENT && limit(RLIMIT_NPROC, none, none) != 0)
		return -1;
	/* No new descriptor, no byte into a regular file. */
	if (sb->profile == SANDBOX_COMPUTE &&
	    (limit(RLIMIT_NOFILE, none, none) != 0 || limit(RLIMIT_FSIZE, none, none) != 0))
		return -1;
	return 0;
}

/* Not with a sanitizer, which reports on stderr. */
static int silence(void)
{
	int null = SANITIZED ? STDERR_FILENO : open("/dev/null", O_WRONLY | O_CLOEXEC), result;

	if (null < 0 || null == STDERR_FILENO)
		return null < 0 ? -1 : 0;
	result = dup2(null, STDERR_FILENO);
	close(null);
	return result < 0 ? -1 : 0;
}

static bool have_seccomp(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

void sandbox_missing(struct reason *why)
{
	bool paths = landlock_abi() >= LANDLOCK_ABI_MIN, calls = have_seccomp();

	reason_set(why, "%s%s%s", paths ? "" : "Landlock", paths || calls ? "" : ", ",
	    calls ? "" : "seccomp");
}

int sandbox_enter(const struct sandbox *sb)
{
#ifdef CAPFKIT_COVERAGE
	/* The counters are written at exit, next to the objects. No build that is installed has this. */
	(void)sb, (void)restrict_resources, (void)restrict_paths, (void)restrict_calls, (void)data_size,
	    (void)silence;
	return 0;
#else
	int abi = landlock_abi();
	uint64_t have = sb->memory != 0 ? data_size() : 0;

	if ((sb->mute && silence() != 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    (abi >= LANDLOCK_ABI_MIN && restrict_paths(sb, abi) != 0) || restrict_resources(sb, have) != 0)
		return -1;
	return have_seccomp() ? restrict_calls(sb) : 0;
#endif
}

int sandbox_renew(unsigned seconds)
{
	const struct itimerval all = {.it_value.tv_sec = (time_t)seconds};

	return setitimer(ITIMER_PROF, &all, NULL);
}
