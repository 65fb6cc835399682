/* SPDX-License-Identifier: ISC */
/* sd_notify(3), without its library. */
#ifndef SYSTEMD_H
#define SYSTEMD_H

struct systemd {
	int fd;			/* -1: nobody wants to know */
	char path[108];
	long long watchdog;	/* milliseconds between signs of life; 0: none are wanted */
};

/* By the environment, which is cleaned of it. */
void systemd_open(struct systemd *);
/* "READY=1", "STATUS=..."; several with '\n' between. */
void systemd_send(const struct systemd *, const char *text);

#endif
