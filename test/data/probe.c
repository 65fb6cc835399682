/* SPDX-License-Identifier: ISC */
/* Preloaded into capf-serve: tries, from inside a confined process, what somebody would try who had taken it
 * over. PROBE says what, PROBE_IN in which process (its name), at its first call of accept4() or, in an issuing
 * process, of write(); PROBE_LATER is how many calls come before that. PROBE_SECONDS is what anything may take instead
 * of what the program says. With PROBE_OFF the sandbox is taken away, and the same must succeed. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static char name[32];	/* a confined process cannot ask for it */
static int tried, calls;

static int attempt(const char *what)
{
	const char *path = strchr(what, ':') != NULL ? strchr(what, ':') + 1 : "";
	int fd = 0;

	if (strncmp(what, "read:", 5) == 0)
		fd = open(path, O_RDONLY);
	else if (strncmp(what, "write:", 6) == 0)
		fd = open(path, O_WRONLY | O_APPEND);
	else if (strncmp(what, "make:", 5) == 0)
		fd = open(path, O_WRONLY | O_CREAT, 0600);
	else if (strncmp(what, "remove:", 7) == 0)
		fd = unlink(path);
	else if (strcmp(what, "socket") == 0)
		fd = socket(AF_INET, SOCK_STREAM, 0);
	else if (strcmp(what, "fork") == 0 && (fd = (int)syscall(SYS_fork)) == 0)
		_exit(0);
	else if (strcmp(what, "hang-up") == 0)
		fd = close(3);
	else if (strcmp(what, "exec") == 0)
		fd = execl("/bin/true", "true", NULL);
	while (strcmp(what, "spin") == 0)
		;
	return fd;
}

static void try_once(void)
{
	const char *what = getenv("PROBE"), *in = getenv("PROBE_IN"), *later = getenv("PROBE_LATER");
	char line[256];
	int result, error, out;

	if (tried || what == NULL || in == NULL || strcmp(name, in) != 0 ||
	    (later != NULL && calls++ < atoi(later)))
		return;
	tried = 1;
	errno = 0;
	result = attempt(what);
	error = errno;
	snprintf(line, sizeof line, "probe: %s: %s\n", what, result >= 0 ? "done" : strerror(error));
	out = (int)syscall(SYS_write, 2, line, strlen(line));
	(void)out;
}

int accept4(int fd, struct sockaddr *a, socklen_t *len, int flags)
{
	try_once();
	return (int)syscall(SYS_accept4, fd, a, len, flags);
}

ssize_t write(int fd, const void *p, size_t len)
{
	if (strcmp(name, "capf-issuing") == 0)
		try_once();
	return syscall(SYS_write, fd, p, len);
}

int prctl(int option, ...)
{
	unsigned long a[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (option == PR_SET_NAME)
		snprintf(name, sizeof name, "%s", (const char *)a[0]);
	return (int)syscall(SYS_prctl, option, a[0], a[1], a[2], a[3]);
}

int setrlimit(__rlimit_resource_t what, const struct rlimit *limit)
{
	if (getenv("PROBE_OFF") != NULL)
		return 0;
	return (int)syscall(SYS_prlimit64, 0, what, limit, NULL);
}

int setitimer(__itimer_which_t which, const struct itimerval *new, struct itimerval *old)
{
	const char *seconds = getenv("PROBE_SECONDS");
	struct itimerval other = *new;

	if (seconds != NULL)
		other.it_value.tv_sec = atoi(seconds);
	return (int)syscall(SYS_setitimer, which, &other, old);
}

/* libseccomp loads its filter by this, Landlock is called by the other. */
int seccomp_load(void *filter)
{
	int (*next)(void *) = (int (*)(void *))dlsym(RTLD_NEXT, "seccomp_load");

	return getenv("PROBE_OFF") != NULL ? 0 : next(filter);
}

long syscall(long number, ...)
{
	long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
#ifdef SYS_landlock_restrict_self
	if (number == SYS_landlock_restrict_self && getenv("PROBE_OFF") != NULL)
		return 0;
#endif
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
