/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "process/log_output.h"

#define SYSLOG_SOCKET "/dev/log"
#define LINE_MAX_BYTES 1200	/* a line of logline, and what we put before and behind it */

/* By systemd.exec(5): the variable names the journal's stream, and standard error may lead elsewhere by now. */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[64];
	struct stat st;

	if (stream == NULL || fstat(fd, &st) != 0)
		return false;
	snprintf(here, sizeof here, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(here, stream) == 0;
}

int log_output_open(struct log_output *k, const char *where, const char *program, struct reason *why)
{
	const char *path = SYSLOG_SOCKET;

	*k = (struct log_output){.program = program, .fd = STDERR_FILENO};
	if (strcmp(where, "stderr") == 0) {
		k->journal = is_journal(k->fd);
		return 0;
	}
	if (strncmp(where, "syslog:", 7) == 0)
		path = where + 7;
	else if (strcmp(where, "syslog") != 0)
		return reason_set(why, "log cannot be \"%.60s\"", where);
	if (*path != '/' || strlen(path) >= sizeof k->to.sun_path)
		return reason_set(why, "log: %.60s is no path", path);
	k->to.sun_family = AF_UNIX;
	strcpy(k->to.sun_path, path);
	k->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	/* Not connected: a syslog that starts anew has another socket under the same name. */
	k->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->fd < 0)
		return reason_trouble(why, "syslog: %s", strerror(errno));
	/* Its files cannot be read later. */
	tzset();
	return 0;
}

/* The line as it goes out; its length. */
static size_t form(const struct log_output *k, const char *line, char out[LINE_MAX_BYTES])
{
	int level = strncmp(line, "event=error", 11) == 0 ? LOG_ERR : LOG_INFO;
	char worker[24] = "", head[80], date[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	int n;

	if (k->worker > 0)
		snprintf(worker, sizeof worker, " worker=%u", k->worker);
	if (k->journal)
		snprintf(head, sizeof head, "<%d>%s", level, k->program);
	else if (k->len == 0)
		snprintf(head, sizeof head, "%s", k->program);
	else {
		/* The C locale's names of months, whatever the locale: they are part of the format. */
		if (localtime_r(&now, &tm) != NULL)
			strftime(date, sizeof date, "%b %e %H:%M:%S ", &tm);
		snprintf(head, sizeof head, "<%d>%s%s[%d]", LOG_DAEMON | level, date, k->program,
		    (int)getpid());
	}
	n = snprintf(out, LINE_MAX_BYTES, "%s: %s%s%s", head, line, worker, k->len == 0 ? "\n" : "");
	return n < LINE_MAX_BYTES ? (size_t)n : LINE_MAX_BYTES - 1;
}

int log_output_connect(const struct log_output *k)
{
	int fd, saved;

	if (k->len == 0) {
		errno = ENOTSOCK;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&k->to, k->len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int send_line(struct log_output *k, const char *line)
{
	char out[LINE_MAX_BYTES];
	size_t len = form(k, line, out);

	if (!k->connected)
		return sendto(k->fd, out, len, MSG_NOSIGNAL, (const struct sockaddr *)&k->to, k->len) < 0 ?
		    -1 : 0;
	if (k->broken)
		return -1;
	if (send(k->fd, out, len, MSG_NOSIGNAL) >= 0)
		return 0;
	/* One that is slow is still there. */
	k->broken = errno != EAGAIN && errno != ENOBUFS;
	return -1;
}

void log_output_tell_lost(struct log_output *k)
{
	char lost[64];

	if (k->lost == 0)
		return;
	snprintf(lost, sizeof lost, "event=error what=\"lines were lost\" count=%u", k->lost);
	if (send_line(k, lost) == 0)
		k->lost = 0;
}

void log_output_connected(struct log_output *k, int fd)
{
	if (k->connected && k->fd >= 0)
		close(k->fd);
	k->connected = true;
	k->fd = fd;
	k->broken = fd < 0;
}

void log_output_write(void *sink, const char *line)
{
	struct log_output *k = sink;
	char out[LINE_MAX_BYTES];
	ssize_t n;

	if (k->len == 0) {
		/* Nobody could be told of a failure. */
		n = write(k->fd, out, form(k, line, out));
		(void)n;
		return;
	}
	/* Phones do not wait for a syslog that is slow, or away. */
	log_output_tell_lost(k);
	if (k->lost > 0 || send_line(k, line) != 0)
		k->lost++;
}
