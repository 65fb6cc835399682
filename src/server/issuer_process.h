/* SPDX-License-Identifier: ISC */
/* The process that issues certificates by itself: it alone has the issuing key, and takes a device's name
 * and a public key, nothing else. Whether that device shall have a certificate it reads in its record itself. */
#ifndef ISSUER_H
#define ISSUER_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "server/log.h"

#define ISSUER_PATH_MAX 255

struct issuer_task {
	char certificate[ISSUER_PATH_MAX + 1];	/* the issuer's, a file */
	char key[ISSUER_PATH_MAX + 1];		/* a file or a store URI */
	int days;
	time_t clock;		/* what to add to the time of day */
	int phones;		/* the spool's phone/, open */
};

struct issuer;

/* Starts the process: a socket to it, which does not block. -1 with errno. */
int issuer_spawn(const struct issuer_task *, pid_t *);

/* The other end: takes the socket, which is closed in any case. NULL when out of memory. */
struct issuer *issuer_open(int fd);
/* Tells the process to end. */
void issuer_close(struct issuer *);
int issuer_fd(const struct issuer *);
/* Has it its key? 1; 0 when it has not said so yet; -1 with a reason when it never will. */
int issuer_greeting(struct issuer *, struct reason *);
/* After that: the issuer's certificate. */
struct bytes issuer_certificate(const struct issuer *);

/* Asks for a certificate; the number comes back with the answer. -1 with errno. */
int issuer_ask(struct issuer *, uint64_t number, const char *device, struct bytes spki);
/* Is there something left to write? */
bool issuer_full(const struct issuer *);
/* Writes what is left. -1 with errno when the process is gone. */
int issuer_write(struct issuer *);
/* The next answer: the certificate, or what is wrong in why; both are valid until the next call. 1, 0 when
 * there is none, -1 with errno when the process is gone. */
int issuer_next(struct issuer *, uint64_t *number, struct bytes *der, const char **why);

#endif
