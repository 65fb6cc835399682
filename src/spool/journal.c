/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "spool/journal.h"

void journal_add_text(struct spool *s, const char *event, const char *text)
{
	char line[512], at[UTC_ISO + 1];
	int n;

	utc_iso(s->now, at);
	n = snprintf(line, sizeof line, "%s\t%s\t%s\t%s\n", at, s->who, event, text);
	if (n > 0 && (size_t)n < sizeof line)
		buf_put(&s->journal, line, (size_t)n);
}

void journal_add(struct spool *s, const char *event, const struct reqid *reqid)
{
	char name[REQID_NAME_MAX + 1];

	reqid_name(reqid, REQID_CSR, name);
	name[strlen(name) - 4] = '\0';
	journal_add_text(s, event, name);
}

/* The request that a line is about, in its last column. */
static bool request_of(const char *line, struct reqid *out)
{
	const char *last = strrchr(line, '\t');
	char name[REQID_NAME_MAX + 1];
	int n = last != NULL ? snprintf(name, sizeof name, "%s.csr", last + 1) : -1;

	return n > 0 && (size_t)n < sizeof name && reqid_parse(name, out);
}

int journal_each(const struct spool *s, int (*each)(void *ctx, const struct reqid *), void *ctx)
{
	int fd = openat(s->root, SPOOL_JOURNAL, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), result = 0;
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	struct reqid reqid;
	char *line = NULL;
	size_t cap = 0;
	int saved;

	if (f == NULL)
		return fd >= 0 ? fileio_give_up(fd) : errno == ENOENT ? 0 : -1;
	while (result == 0 && fileio_line(f, 0, &line, &cap) != NULL)
		if (request_of(line, &reqid))
			result = each(ctx, &reqid);
	if (result == 0 && ferror(f))
		result = -1;
	saved = errno;
	free(line);
	fclose(f);
	errno = saved;
	return result;
}

int journal_open(const struct spool *s, int *tail)
{
	/* It may get another name between the two. */
	for (int tries = 0; tries < 100; tries++) {
		int fd = openat(s->root, SPOOL_JOURNAL, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
		    0600);
		struct stat a, b;

		if (fd < 0)
			return -1;
		*tail = openat(s->root, SPOOL_JOURNAL, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (*tail >= 0 && fstat(fd, &a) == 0 && fstat(*tail, &b) == 0 && a.st_dev == b.st_dev &&
		    a.st_ino == b.st_ino)
			return fd;
		if (*tail < 0 && errno != ENOENT)
			return fileio_give_up(fd);
		if (*tail >= 0)
			close(*tail);
		close(fd);
	}
	errno = EBUSY;
	return -1;
}

void journal_hold(struct spool *s, int fd, int tail)
{
	if (s->log >= 0)
		close(s->log);
	if (s->tail >= 0)
		close(s->tail);
	s->log = fd;
	s->tail = tail;
}

int journal_flush(struct spool *s)
{
	int fd = s->log, tail = s->tail, result;
	size_t done;

	if (s->journal.failed) {
		/* Those lines are lost; later ones need not be. */
		buf_free(&s->journal);
		errno = ENOMEM;
		return -1;
	}
	if (s->journal.len == 0)
		return 0;
	if (fd < 0 && (fd = journal_open(s, &tail)) < 0)
		return -1;
	result = fileio_append_lines(fd, tail, s->journal.p, s->journal.len, &done);
	/* Lines that a full disk did not take stay queued, and only those. */
	s->journal.len -= done;
	memmove(s->journal.p, s->journal.p + done, s->journal.len);
	if (fd == s->log)
		return result;
	if (result != 0)
		fileio_give_up(tail);
	else
		close(tail);
	return result == 0 ? close(fd) : fileio_give_up(fd);
}
