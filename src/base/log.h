/* SPDX-License-Identifier: ISC */
/* A server's log: an event a line, key=value. Values are made printable, and quoted where needed. */
#ifndef LOG_H
#define LOG_H

struct log {
	void (*write)(void *ctx, const char *line);	/* without its end */
	void *ctx;
};

/* Pairs of key and value, then NULL. A value that is NULL or "" leaves its pair out. */
void log_say(const struct log *, const char *event, ...) __attribute__((sentinel));

#endif
