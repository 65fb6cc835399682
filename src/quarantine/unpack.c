/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive/untar.h"
#include "base/fileio.h"
#include "process/sandbox.h"
#include "process/child.h"
#include "quarantine/unpack.h"
#include "x509/pem.h"

/* Bytes that go over the pipe at once: enough that system calls do not count, few enough that the parent starts
 * early. */
#define PARCEL ((size_t)64 * 1024)
/* Around an entry's data: kind, error, name, reason and three lengths. */
#define AROUND (1 + 4 + 3 * 4 + UNPACK_NAME_MAX + REASON_MAX)
/* Memory for zlib, libarchive and the rest beside one entry, with room. */
#define MEMORY ((uint64_t)24 << 20)
/* An honest archive takes 0.1 s for 10,000 entries. The largest that the limits let in, 2 GiB and
 * 500,000 entries, takes 6 s; one that is built at every limit would take minutes. */
#define SECONDS 10
#define BYTES_PER_SECOND ((uint64_t)64 << 20)
#define SPARE_DESCRIPTORS 16	/* of a process with files: its pipes, and what libc opens to start it */

/* The part of one process: the archive, or some of the files, all of which it opens before it reads any. */
struct share {
	const struct unpack_task *task;
	size_t first, end;	/* of task->file */
	pid_t pid;
	int fd;
};

struct unpack {
	struct unpack_task task;
	struct share *share;	/* all are at work; what they say is read one after the other */
	size_t shares, at;
	struct buf parcel;
	struct bytes unread;
	uint64_t entries, bytes;
	size_t files;
	bool over;
};

void unpack_encode(const struct unpacked *u, struct buf *out)
{
	buf_put_u8(out, (uint8_t)u->kind);
	buf_put_u32(out, (uint32_t)u->error);
	buf_put_text(out, u->name);
	buf_put_text(out, u->reason.text);
	buf_put_sized(out, u->data.p, u->data.len);
}

bool unpack_decode(struct bytes *in, struct unpacked *u)
{
	struct bytes at = *in;
	uint32_t error;
	uint8_t kind;

	if (!bytes_get_u8(&at, &kind) || kind > UNPACK_END || !bytes_get_u32(&at, &error) ||
	    error > INT32_MAX || !bytes_get_text(&at, u->name, sizeof u->name) ||
	    !bytes_get_text(&at, u->reason.text, sizeof u->reason.text) ||
	    !bytes_get_sized(&at, &u->data.p, &u->data.len))
		return false;
	u->kind = (enum unpack_kind)kind;
	u->error = (int)error;
	*in = at;
	return true;
}

/* The child. */

struct child {
	const struct unpack_task *task;
	int out;
	struct buf parcel;
};

static int flush(struct child *c)
{
	int result = child_write_parcel(c->out, &c->parcel);

	c->parcel.len = 0;
	return result;
}

static int say(struct child *c, const struct unpacked *u)
{
	struct unpacked cut = *u;

	if (cut.data.len > c->task->most)
		cut.data.len = c->task->most + 1;
	unpack_encode(&cut, &c->parcel);
	return c->parcel.len >= PARCEL || c->parcel.failed ? flush(c) : 0;
}

static int say_kind(struct child *c, enum unpack_kind kind, int error)
{
	return say(c, &(struct unpacked){.kind = kind, .error = error});
}

static int say_unreadable(struct child *c, const char *text)
{
	struct unpacked u = {.kind = UNPACK_UNREADABLE, .error = errno};

	reason_set(&u.reason, "%s", text);
	return say(c, &u);
}

/* One archive to its end, and what is wrong with it. -1 when nothing more can be said. */
static int read_archive(struct child *c, struct untar *r)
{
	static const enum unpack_kind kind[] = {
		[UNTAR_ITEM] = UNPACK_ENTRY, [UNTAR_REFUSED] = UNPACK_REFUSED,
		[UNTAR_DAMAGED] = UNPACK_DAMAGED, [UNTAR_TROUBLE] = UNPACK_TROUBLE,
	};
	enum untar_result got;
	struct untar_item e;

	do {
		struct unpacked u = {0};

		if ((got = untar_next(r, &e, &u.reason)) == UNTAR_END)
			return 0;
		u.kind = kind[got];
		if (got == UNTAR_TROUBLE)
			u.error = errno;
		if (got == UNTAR_ITEM || got == UNTAR_REFUSED)
			strncpy(u.name, e.name, sizeof u.name - 1);
		if (got == UNTAR_ITEM)
			u.data = (struct bytes){e.data, e.len};
		if (say(c, &u) != 0)
			return -1;
	} while (got == UNTAR_ITEM || got == UNTAR_REFUSED);
	return got == UNTAR_DAMAGED ? 0 : -1;
}

/* The same for an archive that fd is at the beginning of, or behind so many bytes. One with too many entries is not
 * begun: its first half million would be told, one by one, before it is refused. */
static int read_from(struct child *c, struct untar *r, int fd, size_t read)
{
	struct unpacked u = {.kind = UNPACK_DAMAGED};

	return untar_overfull(fd, read, &c->task->limits, &u.reason) ? say(c, &u) : read_archive(c, r);
}

/* A file that is no archive, piece by piece. */
static int read_plain(struct child *c, int fd, struct bytes head)
{
	struct bytes rest, one;
	struct buf all = {0};
	unsigned char *more;
	size_t len, pieces = 0;
	int result = 0;

	if (fileio_read_all(fd, UNPACK_FILE_MAX, &more, &len) != 0)
		return say_unreadable(c, "cannot read");
	buf_put(&all, head.p, head.len);
	buf_put(&all, more, len);
	free(more);
	if (all.failed)
		return say_kind(c, UNPACK_TROUBLE, ENOMEM);
	rest = (struct bytes){all.p, all.len};
	if (all.len == 0)
		result = say_kind(c, UNPACK_ENTRY, 0);
	while (result == 0 && pem_next(&rest, &one)) {
		struct unpacked u = {.kind = UNPACK_ENTRY, .data = one};

		if (++pieces <= UNPACK_PIECES_MAX) {
			result = say(c, &u);
			continue;
		}
		u = (struct unpacked){.kind = UNPACK_DAMAGED};
		reason_set(&u.reason, "holds more than %d requests", UNPACK_PIECES_MAX);
		result = say(c, &u);
		break;
	}
	buf_free(&all);
	return result;
}

/* A file by its descriptor, or minus the errno of opening it. */
static int read_file(struct child *c, int fd)
{
	struct untar *r = NULL;
	unsigned char head[512];
	ssize_t n;
	int result;

	if (say_kind(c, UNPACK_FILE, 0) != 0)
		return -1;
	if (fd < 0)
		errno = -fd;
	if (fd < 0 || (n = fileio_read_full(fd, head, sizeof head)) < 0) {
		result = say_unreadable(c, fd < 0 ? "cannot open" : "cannot read");
	} else if (!c->task->apart && !untar_looks_like(head, (size_t)n)) {
		result = read_plain(c, fd, (struct bytes){head, (size_t)n});
	} else if ((r = untar_open(fd, head, (size_t)n, c->task->flat, &c->task->limits)) == NULL) {
		result = say_kind(c, UNPACK_TROUBLE, ENOMEM);
	} else {
		result = read_from(c, r, fd, (size_t)n);
	}
	if (r != NULL)
		untar_close(r);
	if (fd > STDIN_FILENO)
		close(fd);
	return result;
}

/* Of processor time, for one archive or file. */
static unsigned seconds_for_one(const struct unpack_task *task)
{
	return SECONDS + (unsigned)(task->limits.total_bytes / BYTES_PER_SECOND);
}

/* So many descriptors may a process have, at most. */
static rlim_t most_descriptors(void)
{
	struct rlimit r;

	return getrlimit(RLIMIT_NOFILE, &r) == 0 ? r.rlim_max : 0;
}

/* Descriptors of all files of a share, or minus an errno each; NULL with errno. None of them was read yet, and none
 * can be opened later. */
static int *open_files(const struct share *s)
{
	struct rlimit all = {most_descriptors(), most_descriptors()};
	int *fd = calloc(s->end - s->first + 1, sizeof *fd);

	if (fd == NULL)
		return NULL;
	setrlimit(RLIMIT_NOFILE, &all);
	for (size_t i = s->first; i < s->end; i++) {
		const char *name = s->task->file[i];
		int one = strcmp(name, "-") == 0 ? STDIN_FILENO : fileio_open_input(name);

		fd[i - s->first] = one >= 0 ? one : -errno;
	}
	return fd;
}

static int confine(const struct share *s)
{
	struct sandbox sb = {.profile = SANDBOX_COMPUTE, .mute = true,
	    .memory = MEMORY + 3 * s->task->limits.entry_bytes};

	sb.seconds = seconds_for_one(s->task);
	if (s->task->files > 0) {
		sb.memory += s->task->apart ? 0 : 3 * UNPACK_FILE_MAX;
		sb.seconds *= (unsigned)(s->end - s->first);
	}
	return sandbox_enter(&sb);
}

static int life(void *ctx, int out)
{
	const struct share *s = ctx;
	struct child c = {.task = s->task, .out = out};
	/* Names cannot be read without it, and archives that are opened later find it loaded. */
	locale_t table = untar_locale();
	struct untar *r = NULL;
	int result = 0, *fd = NULL;

	if ((c.task->files == 0 &&
	    (r = untar_open(STDIN_FILENO, NULL, 0, c.task->flat, &c.task->limits)) == NULL) ||
	    (c.task->files > 0 && (fd = open_files(s)) == NULL))
		return 1;
	if (confine(s) != 0) {
		say_kind(&c, UNPACK_TROUBLE, errno);
		return flush(&c) == 0 ? 0 : 1;
	}
	if (r != NULL)
		result = read_from(&c, r, STDIN_FILENO, 0);
	for (size_t i = 0; i < s->end - s->first && result == 0; i++)
		if ((result = sandbox_renew(seconds_for_one(c.task))) == 0)
			result = read_file(&c, fd[i]);
	if (result == 0)
		say_kind(&c, UNPACK_END, 0);
	flush(&c);	/* an error: the parent has stopped reading */
	if (r != NULL)
		untar_close(r);
	if (table != (locale_t)0)
		freelocale(table);
	buf_free(&c.parcel);
	free(fd);
	return 0;
}

/* The parent. */

/* Opening a FIFO waits for its writer, which may itself wait until the files before it are read. */
static bool may_wait(const char *name)
{
	struct stat st;

	return strcmp(name, "-") != 0 && stat(name, &st) == 0 && !S_ISREG(st.st_mode);
}

/* Divides the files: as many for a process as it can open, and what may wait alone. -1 with errno. */
static int divide(struct unpack *u)
{
	size_t files = u->task.files, most = (size_t)most_descriptors();

	most = most > SPARE_DESCRIPTORS ? most - SPARE_DESCRIPTORS : 1;
	if ((u->share = calloc(files + 1, sizeof *u->share)) == NULL)
		return -1;
	for (size_t i = 0; i < files || u->shares == 0; i++) {
		struct share *last = u->shares > 0 ? &u->share[u->shares - 1] : NULL;

		if (last == NULL || u->task.apart || last->end - last->first >= most || may_wait(u->task.file[i]) ||
		    may_wait(u->task.file[i - 1]))
			u->share[u->shares++] = (struct share){&u->task, i, i + (files > 0), 0, -1};
		else
			last->end++;
	}
	return 0;
}

struct unpack *unpack_start(const struct unpack_task *task)
{
	struct unpack *u = calloc(1, sizeof *u);

	if (u == NULL)
		return NULL;
	u->task = *task;
	if (divide(u) != 0) {
		free(u);
		return NULL;
	}
	/* Now, since the caller starts nothing later. */
	for (size_t i = 0; i < u->shares; i++)
		if ((u->share[i].fd = child_start(life, &u->share[i], task->fd, &u->share[i].pid)) < 0) {
			unpack_stop(u);
			return NULL;
		}
	return u;
}

bool unpack_death(int signal, struct reason *why)
{
	switch (signal) {
	case SIGPROF:
	case SIGXCPU:
		reason_set(why, "takes more processor time than an honest one could");
		return true;
	case SIGSYS:
		reason_set(why, "made the process that reads it do what it may not: it was stopped");
		return true;
	case SIGSEGV:
	case SIGBUS:
	case SIGABRT:
	case SIGILL:
	case SIGFPE:
	case SIGXFSZ:
		reason_set(why, "made the process that reads it crash (signal %d)", signal);
		return true;
	default:
		return false;
	}
}

/* The pipe ended before its time. */
static void died(struct unpack *u, struct unpacked *out)
{
	struct share *s = &u->share[u->at];
	int status = child_end(s->pid, s->fd);

	s->pid = 0;
	*out = (struct unpacked){.kind = UNPACK_TROUBLE, .error = EPIPE};
	if (WIFSIGNALED(status) && unpack_death(WTERMSIG(status), &out->reason))
		out->kind = u->task.apart ? UNPACK_DAMAGED : UNPACK_DIED;
}

/* Does a message keep to the limits, and come where it may? */
static bool credible(struct unpack *u, const struct unpacked *v)
{
	bool entry = v->kind == UNPACK_ENTRY || v->kind == UNPACK_REFUSED;
	bool of_file = v->kind == UNPACK_FILE || v->kind == UNPACK_UNREADABLE;
	/* Of a file that is no archive. */
	bool piece = entry && v->name[0] == '\0' && u->task.files > 0;
	uint64_t entries = piece ? UNPACK_PIECES_MAX : u->task.limits.entries;
	uint64_t bytes = piece ? UNPACK_FILE_MAX : u->task.limits.total_bytes;

	u->entries = v->kind == UNPACK_FILE ? 0 : u->entries + entry;
	u->bytes = v->kind == UNPACK_FILE ? 0 : u->bytes + v->data.len;
	u->files += v->kind == UNPACK_FILE;
	if (entry && (u->entries > entries || u->bytes > bytes))
		return false;
	if (v->data.len > u->task.most + 1 || (v->data.len > 0 && v->kind != UNPACK_ENTRY))
		return false;
	if (of_file && (u->files == 0 || u->files > u->share[u->at].end))
		return false;
	/* With files, each is named before anything is said of it; at the end all were. */
	if (u->task.files > 0 && v->kind != UNPACK_TROUBLE && u->files == 0)
		return false;
	return v->kind != UNPACK_END || u->files == (u->task.files > 0 ? u->share[u->at].end : 0);
}

/* The next message of the process at hand. */
static void next_of_share(struct unpack *u, struct unpacked *out)
{
	struct share *s = &u->share[u->at];
	int got;

	*out = (struct unpacked){.kind = UNPACK_END};
	if (s->pid == 0)
		return;		/* it died, or is skipped: that was told */
	if (u->unread.len == 0) {
		if ((got = child_read_parcel(s->fd, &u->parcel, PARCEL + AROUND + u->task.most + 1)) == 0 ||
		    (got < 0 && errno == EPIPE)) {
			/* With its name, which it may have died with. */
			if (u->task.apart && u->files < s->end) {
				u->files++;
				out->kind = UNPACK_FILE;
			} else {
				died(u, out);
			}
			return;
		}
		u->unread = (struct bytes){u->parcel.p, got > 0 ? u->parcel.len : 0};
	}
	if (!unpack_decode(&u->unread, out) || !credible(u, out))
		*out = (struct unpacked){.kind = UNPACK_TROUBLE, .error = EPROTO};
}

void unpack_next(struct unpack *u, struct unpacked *out)
{
	if (u->over) {
		*out = (struct unpacked){.kind = UNPACK_TROUBLE, .error = EPIPE};
		return;
	}
	next_of_share(u, out);
	/* Nothing counts after a process has said END. */
	while (out->kind == UNPACK_END && u->at + 1 < u->shares) {
		u->at++;
		u->unread.len = 0;
		next_of_share(u, out);
	}
	u->over = out->kind == UNPACK_TROUBLE || out->kind == UNPACK_END || out->kind == UNPACK_DIED;
}

void unpack_skip(struct unpack *u)
{
	struct share *s = &u->share[u->at];

	if (s->pid > 0)
		child_end(s->pid, s->fd);
	s->pid = 0;
	u->unread.len = 0;
}

void unpack_stop(struct unpack *u)
{
	int saved = errno;

	if (u == NULL)
		return;
	for (size_t i = 0; i < u->shares; i++) {
		struct share *s = &u->share[i];

		/* One that we have not come to may wait for a file: it ends with us. */
		if (s->pid > 0 && i <= u->at)
			child_end(s->pid, s->fd);
		else if (s->pid > 0)
			close(s->fd);
	}
	buf_free(&u->parcel);
	free(u->share);
	free(u);
	errno = saved;
}
