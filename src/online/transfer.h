/* SPDX-License-Identifier: ISC */
/* Archives to and from FTP and TFTP servers. With http.c the only file that knows libcurl. Neither protocol protects
 * anything: what comes is for the parsers to distrust, and csr-dump --manifest is for what goes. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"

/* A transfer that takes longer, or that moves fewer bytes a second for so long, is given up: what a server does not
 * want to end must not keep us. */
struct transfer_limits {
	long seconds;		/* all of it, from the name's look-up to the server's last word */
	long speed;		/* bytes a second, */
	long stall_seconds;	/* for so many seconds */
};

/* An address that we can reach, rather than the name of a file: ftp://, ftps:// or tftp://. */
bool transfer_is_url(const char *);

/* The address without the user and password that may be in it, for messages; the caller frees. NULL when
 * out of memory. */
char *transfer_public(const char *url);

/* Everything behind an address, up to cap bytes, in a file without a name that is positioned at its
 * beginning. A descriptor, or -1 with a reason. */
int transfer_fetch(const char *url, uint64_t cap, const struct transfer_limits *, struct reason *);

/* A file without a name to write into, for transfer_send. -1 with errno. */
int transfer_buffer(void);
/* Sends all of such a file. Over FTP it gets its name when it is whole; TFTP cannot do that. -1 with a
 * reason. */
int transfer_send(const char *url, int fd, const struct transfer_limits *, struct reason *);

#endif
