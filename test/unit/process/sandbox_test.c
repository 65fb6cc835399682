/* SPDX-License-Identifier: ISC */
/* What a confined process can still do. Each attempt is made twice in a child: unconfined, where it must
 * succeed, or the test would prove nothing; and in a profile. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/sandbox.h"
#include "../tap.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static const char *dir;		/* ours, for this test */
static int dir_fd, file_fd, pipe_fd[2];

/* What became of a child: 0, an errno, or 1000 + a signal. */
#define SIGNAL 1000

static int run(int (*attempt)(void), const struct sandbox *sb)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (sb != NULL && sandbox_enter(sb) != 0)
			_exit(255);
		errno = 0;
		_exit(attempt() == 0 ? 0 : errno);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
	return WIFSIGNALED(status) ? SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

static int fd_result(int fd)
{
	return fd >= 0 ? close(fd) : -1;
}

static int read_passwd(void)
{
	return fd_result(open("/etc/passwd", O_RDONLY));
}
static int make_outside(void)
{
	return fd_result(openat(dir_fd, "..", O_TMPFILE | O_WRONLY, 0600));
}
static int read_inside(void)
{
	return fd_result(openat(dir_fd, "file", O_RDONLY));
}
static int read_by_dots(void)
{
	return fd_result(openat(dir_fd, "../../../../../../../../../../etc/passwd", O_RDONLY));
}
static int write_inside(void)
{
	return fd_result(openat(dir_fd, "file", O_WRONLY));
}
static int truncate_inside(void)
{
	return fd_result(openat(dir_fd, "file", O_RDONLY | O_TRUNC));
}
static int make_inside(void)
{
	int fd = openat(dir_fd, "new", O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 || close(fd) != 0 ||
	    linkat(dir_fd, "new", dir_fd, "sub/linked", 0) != 0 ||
	    renameat(dir_fd, "new", dir_fd, "sub/renamed") != 0)
		return -1;
	return unlinkat(dir_fd, "sub/linked", 0) == 0 ? unlinkat(dir_fd, "sub/renamed", 0) : -1;
}
static int make_directory(void)
{
	return mkdirat(dir_fd, "made", 0700) == 0 ? unlinkat(dir_fd, "made", AT_REMOVEDIR) : -1;
}
static int tcp_socket(void)
{
	return fd_result(socket(AF_INET, SOCK_STREAM, 0));
}
static int unix_socket(void)
{
	return fd_result(socket(AF_UNIX, SOCK_DGRAM, 0));
}
static int tcp_connect(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	/* Nobody listens there: to be refused is to have been let through. */
	return connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == ECONNREFUSED ? 0 : -1;
}
static int execute(void)
{
	return execl("/bin/true", "true", (char *)NULL);
}
static int spawn(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : -1;
}
static void *nothing(void *arg)
{
	return arg;
}
static int thread(void)
{
	pthread_t t;

	return (errno = pthread_create(&t, NULL, nothing, NULL)) == 0 ? pthread_join(t, NULL) : -1;
}
static int executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ?
	    -1 : 0;
}
static int signal_parent(void)
{
	return kill(getppid(), 0);
}
static int abort_now(void)
{
	abort();
}
static int use_memory(void)
{
	const size_t size = (size_t)96 << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED ? munmap(p, size) : -1;
}
static int use_little_memory(void)
{
	char *p = malloc(1 << 20);

	if (p == NULL)
		return -1;
	memset(p, 1, 1 << 20);
	return 0;
}
/* Three seconds of processor time. */
static int use_time(void)
{
	struct rusage r;

	do
		getrusage(RUSAGE_SELF, &r);
	while (r.ru_utime.tv_sec + r.ru_stime.tv_sec < 3);
	return 0;
}
static int use_pipe(void)
{
	char c;

	return write(pipe_fd[1], "x", 1) == 1 && read(pipe_fd[0], &c, 1) == 1 ? 0 : -1;
}
static int write_open_file(void)
{
	return write(file_fd, "x", 1) == 1 ? 0 : -1;
}
static int take_the_time(void)
{
	struct timespec ts;
	struct stat st;

	return clock_gettime(CLOCK_REALTIME, &ts) == 0 ? fstat(pipe_fd[0], &st) : -1;
}

int main(void)
{
	static const struct {
		const char *what;
		int (*attempt)(void);
		/* In each profile; the paths are dir with the rights of the profile. */
		int compute, reader, writer, server, client;
	} tests[] = {
		/* 0: it works; NO: it does not; else just that. */
#define NO -1
#define DEAD (SIGNAL + SIGSYS)
		{"a pipe", use_pipe, 0, 0, 0, 0, 0},
		{"the time, and fstat", take_the_time, 0, 0, 0, 0, 0},
		{"a little memory", use_little_memory, 0, 0, 0, 0, 0},
		{"abort", abort_now, SIGNAL + SIGABRT, SIGNAL + SIGABRT, SIGNAL + SIGABRT,
		    SIGNAL + SIGABRT, SIGNAL + SIGABRT},
		{"/etc/passwd", read_passwd, EACCES, EACCES, EACCES, EACCES, EACCES},
		{"a file elsewhere", make_outside, EACCES, EACCES, EACCES, EACCES, EACCES},
		{"a file elsewhere by ..", read_by_dots, EACCES, EACCES, EACCES, EACCES, EACCES},
		{"reading a file inside", read_inside, EACCES, 0, 0, 0, 0},
		{"changing a file inside", write_inside, EACCES, EACCES, 0, 0, 0},
		{"truncating a file inside", truncate_inside, EACCES, EACCES, 0, 0, 0},
		{"make, link, rename, remove inside", make_inside, EACCES, EACCES, 0, 0, 0},
		{"a directory inside", make_directory, NO, NO, NO, NO, NO},
		{"a TCP socket", tcp_socket, DEAD, DEAD, DEAD, DEAD, 0},
		{"a unix socket", unix_socket, DEAD, DEAD, DEAD, DEAD, 0},
		{"a connection", tcp_connect, DEAD, DEAD, DEAD, DEAD, 0},
		{"execution", execute, DEAD, DEAD, DEAD, DEAD, DEAD},
	}, unsanitized[] = {	/* what a leak checker needs or takes the place of */
		{"writing an open file", write_open_file, SIGNAL + SIGXFSZ, 0, 0, 0, 0},
		{"a process", spawn, DEAD, DEAD, DEAD, DEAD, 0},
		{"a thread", thread, DEAD, DEAD, DEAD, DEAD, 0},
		{"memory to execute", executable_memory, EACCES, EACCES, EACCES, EACCES, 0},
		{"a signal to the parent", signal_parent, ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS},
		{"much memory", use_memory, ENOMEM, ENOMEM, ENOMEM, ENOMEM, ENOMEM},
	};
	static const char *const name[] = {"compute", "reader", "writer", "server", "client"};
	struct sandbox_path path = {0};
	struct sandbox sb = {.path = &path, .memory = 64 << 20};
	struct reason why;
	int got;

	dir = tap_dir();
	must((dir_fd = open(dir, O_RDONLY | O_DIRECTORY)) >= 0, "open");
	must((file_fd = openat(dir_fd, "file", O_WRONLY | O_CREAT, 0600)) >= 0, "file");
	must(mkdirat(dir_fd, "sub", 0700) == 0, "sub");
	must(pipe(pipe_fd) == 0, "pipe");

	sandbox_missing(&why);
	ok(why.text[0] == '\0', "this kernel has all layers (missing: %s)", why.text);
	for (size_t i = 0; i < sizeof tests / sizeof *tests + sizeof unsanitized / sizeof *unsanitized; i++) {
		size_t n = sizeof tests / sizeof *tests;
		bool late = i >= n;
		const int *want = late ? &unsanitized[i - n].compute : &tests[i].compute;
		const char *what = late ? unsanitized[i - n].what : tests[i].what;
		int (*attempt)(void) = late ? unsanitized[i - n].attempt : tests[i].attempt;

		got = run(attempt, NULL);
		ok(got == 0 || got == SIGNAL + SIGABRT, "unconfined: %s: %d", what, got);
		if (late && SANITIZED)
			continue;
		for (unsigned p = SANDBOX_COMPUTE; p <= SANDBOX_CLIENT; p++) {
			path = (struct sandbox_path){dir_fd, NULL,
			    p >= SANDBOX_WRITER ? SANDBOX_READ | SANDBOX_WRITE : SANDBOX_READ};
			sb.profile = (enum sandbox_profile)p;
			sb.paths = p != SANDBOX_COMPUTE;
			got = run(attempt, &sb);
			ok(want[p] == NO ? got != 0 && got != 255 : got == want[p], "%s: %s: %d", name[p], what,
			    got);
		}
	}

	/* Rights one by one. */
	path = (struct sandbox_path){dir_fd, NULL, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DIRS};
	sb = (struct sandbox){.profile = SANDBOX_WRITER, .path = &path, .paths = 1};
	ok(run(make_directory, &sb) == 0, "a directory, where that is a right");
	path = (struct sandbox_path){dir_fd, "file", SANDBOX_READ};
	ok(run(read_inside, &sb) == 0 && run(write_inside, &sb) == EACCES, "a single file, for reading only");
	path.path = "sub";
	ok(run(read_inside, &sb) == EACCES, "a directory beside it");
	path.path = "absent";
	ok(run(read_inside, &sb) == EACCES, "a path that does not exist gives no right, and no error");
	sb.forks = true;
	ok(run(spawn, &sb) == 0, "a process, where children are expected");
	ok(run(execute, &sb) == DEAD, "but no program");
	sb = (struct sandbox){.profile = SANDBOX_COMPUTE, .seconds = 1};
	got = SANITIZED ? SIGNAL + SIGXCPU : run(use_time, &sb);
	ok(got == SIGNAL + SIGXCPU, "no more than a second of time: %d", got);

	unlinkat(dir_fd, "file", 0);
	unlinkat(dir_fd, "sub", AT_REMOVEDIR);
	must(rmdir(dir) == 0, "rmdir");
	return tap_done();
}
