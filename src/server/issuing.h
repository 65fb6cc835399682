/* SPDX-License-Identifier: ISC */
/* The process that issues certificates by itself: it alone has the issuing key, and takes a device's name
 * and a public key, nothing else. Whether that device shall have a certificate it reads in its record itself. */
#ifndef ISSUING_H
#define ISSUING_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/bytes.h"
#include "base/reason.h"
#include "server/logline.h"

#define ISSUING_PATH_MAX 255

struct issuing_task {
	char certificate[ISSUING_PATH_MAX + 1];	/* the issuer's, a file */
	char key[ISSUING_PATH_MAX + 1];		/* a file or a store URI */
	int days;
	time_t clock;		/* what to add to the time of day */
	int phones;		/* the spool's phone/, open */
};

struct issuing;

/* Starts the process: a socket to it, which does not block. -1 with errno. */
int issuing_spawn(const struct issuing_task *, pid_t *);

/* The other end: takes the socket, which is closed in any case. NULL when out of memory. */
struct issuing *issuing_open(int fd);
/* Tells the process to end. */
void issuing_close(struct issuing *);
int issuing_fd(const struct issuing *);
/* Has it its key? 1; 0 when it has not said so yet; -1 with a reason when it never will. */
int issuing_greeting(struct issuing *, struct reason *);
/* After that: the issuer's certificate. */
struct bytes issuing_certificate(const struct issuing *);

/* Asks for a certificate; the number comes back with the answer. -1 with errno. */
int issuing_ask(struct issuing *, uint64_t number, const char *device, struct bytes spki);
/* Is there something left to write? */
bool issuing_full(const struct issuing *);
/* Writes what is left. -1 with errno when the process is gone. */
int issuing_write(struct issuing *);
/* The next answer: the certificate, or what is wrong in why; both are valid until the next call. 1, 0 when
 * there is none, -1 with errno when the process is gone. */
int issuing_next(struct issuing *, uint64_t *number, struct bytes *der, const char **why);

#endif
