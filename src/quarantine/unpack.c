/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/child.h"
#include "quarantine/unpack.h"
#include "quarantine/unpack_inside.h"

/* Around an entry's data: kind, error, name, reason and three lengths. */
#define AROUND (1 + 4 + 3 * 4 + UNPACK_NAME_MAX + REASON_MAX)
#define SPARE_DESCRIPTORS 16	/* of a process with files: its pipes, and what libc opens to start it */

struct unpack {
	struct unpack_task task;
	struct unpack_share *share;	/* all are at work; what they say is read one after the other */
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

/* Opening a FIFO waits for its writer, which may itself wait until the files before it are read. */
static bool may_wait(const char *name)
{
	struct stat st;

	return strcmp(name, "-") != 0 && stat(name, &st) == 0 && !S_ISREG(st.st_mode);
}

/* Divides the files: as many for a process as it can open, and what may wait alone. -1 with errno. */
static int divide(struct unpack *u)
{
	size_t files = u->task.files, most = (size_t)unpack_descriptors();

	most = most > SPARE_DESCRIPTORS ? most - SPARE_DESCRIPTORS : 1;
	if ((u->share = calloc(files + 1, sizeof *u->share)) == NULL)
		return -1;
	for (size_t i = 0; i < files || u->shares == 0; i++) {
		struct unpack_share *last = u->shares > 0 ? &u->share[u->shares - 1] : NULL;

		if (last == NULL || u->task.apart || last->end - last->first >= most || may_wait(u->task.file[i]) ||
		    may_wait(u->task.file[i - 1]))
			u->share[u->shares++] = (struct unpack_share){&u->task, i, i + (files > 0), 0, -1};
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
		if ((u->share[i].fd = child_start(unpack_inside, &u->share[i], task->fd, &u->share[i].pid)) < 0) {
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
	struct unpack_share *s = &u->share[u->at];
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
	/* Each file is an archive, and what is taken from one has a name. */
	if (u->task.apart && v->kind == UNPACK_ENTRY && v->name[0] == '\0')
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
	struct unpack_share *s = &u->share[u->at];
	int got;

	*out = (struct unpacked){.kind = UNPACK_END};
	if (s->pid == 0)
		return;		/* it died, or is skipped: that was told */
	if (u->unread.len == 0) {
		if ((got = child_read_parcel(s->fd, &u->parcel, UNPACK_PARCEL + AROUND + u->task.most + 1)) == 0 ||
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
	struct unpack_share *s = &u->share[u->at];

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
		struct unpack_share *s = &u->share[i];

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
