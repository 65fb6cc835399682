/* SPDX-License-Identifier: ISC */
/* The process that issues certificates by itself: it alone has the issuing key. It takes a device's name, a public key
 * and, where the order wants one, the phone's proof by a certificate. Whether that device shall have a certificate it
 * reads in its record itself. */
#ifndef ISSUER_H
#define ISSUER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/reason.h"
#include "x509/phone_auth.h"

#define ISSUER_PATH_MAX 255

struct issuer_task {
	char certificate[ISSUER_PATH_MAX + 1];	/* the issuer's, a file */
	char key[ISSUER_PATH_MAX + 1];		/* a file or a store URI */
	int days;
	time_t clock;		/* what to add to the time of day */
	const char *path;	/* of the spool */
	bool accept_expired, accept_weak_mic, require_sudi;	/* of proofs: as the settings of these names */
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

/* What a phone proved itself with in this session, for issuer_ask. */
void issuer_put_proof(struct buf *, const struct phone_auth *, uint32_t session);
/* Asks for a certificate; the number comes back with the answer. The proof is empty when the order wants none by a
 * certificate. -1 with errno. */
int issuer_ask(struct issuer *, uint64_t number, const char *device, struct bytes spki, struct bytes proof);
/* Is there something left to write? */
bool issuer_full(const struct issuer *);
/* Writes what is left. -1 with errno when the process is gone. */
int issuer_write(struct issuer *);
/* The next answer: the certificate, or what is wrong in why; both are valid until the next call. 1, 0 when
 * there is none, -1 with errno when the process is gone. */
int issuer_next(struct issuer *, uint64_t *number, struct bytes *der, const char **why);

#endif
