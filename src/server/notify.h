/* SPDX-License-Identifier: ISC */
/* sd_notify(3), without its library. */
#ifndef NOTIFY_H
#define NOTIFY_H

struct notify {
	int fd;			/* -1: nobody wants to know */
	char path[108];
	long long watchdog;	/* milliseconds between signs of life; 0: none are wanted */
};

/* By the environment, which is cleaned of it. */
void notify_open(struct notify *);
/* "READY=1", "STATUS=..."; several with '\n' between. */
void notify_send(const struct notify *, const char *text);

#endif
