/* SPDX-License-Identifier: ISC */
/* Where a server's log goes: standard error, or a syslog socket, which is opened before anything that could
 * forbid it. A line is one write, so lines of several processes do not mix. */
#ifndef LOG_OUTPUT_H
#define LOG_OUTPUT_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/reason.h"

struct log_output {
	const char *program;
	unsigned worker;	/* its number stands behind each line; 0: nothing does */
	int fd;
	struct sockaddr_un to;	/* of syslog */
	socklen_t len;
	unsigned lost;		/* lines that syslog did not take */
	bool connected;		/* the socket has its one addressee, as a worker's: it could send to others */
	bool broken;		/* and that is gone, or never was there */
	bool journal;		/* systemd's journal reads standard error: it wants to know how bad a line is */
};

/* "stderr", "syslog", or "syslog:" and the path of its socket. -1 with a reason. */
int log_output_open(struct log_output *, const char *where, const char *program, struct reason *);
/* A socket that is connected to syslog, for a process that may not connect. -1 with errno: it does not listen, or the
 * log does not go there. */
int log_output_connect(const struct log_output *);
/* Takes it, or -1 for none; the one before is closed. */
void log_output_connected(struct log_output *, int fd);
/* Says how many lines were lost, if any were and it can be said now. */
void log_output_tell_lost(struct log_output *);
/* One line without its end; for struct log. */
void log_output_write(void *sink, const char *line);

#endif
