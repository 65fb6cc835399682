/* SPDX-License-Identifier: ISC */
/* What csr-sign does with each entry of the archives, in its worker processes: a request in, a certificate out. */
#ifndef SIGN_H
#define SIGN_H

#include <stdbool.h>
#include <time.h>

#include "archive/manifest.h"
#include "archive/untar.h"
#include "base/bytes.h"
#include "ca/issue.h"
#include "process/workers.h"
#include "quarantine/inspect.h"
#include "quarantine/verdict.h"
#include "x509/key.h"

#define SIGN_RA_MAX 64
#define SIGN_ARCHIVES_MAX 128	/* each has two processes of its own */

/* An archive of requests. */
struct sign_archive {
	struct workers *checker;	/* of the manifest's signature: a process without the key */
	struct manifest *manifest;
	struct buf sums;		/* SHA256SUMS, until its signature comes */
	size_t entries;
	uint8_t ra;			/* whose key signed the manifest: 1 is ra[0]; 0: there is no manifest */
};

struct sign {
	/* Filled in by the program. */
	const char *key;		/* a file or a store URI */
	struct secret secret;
	const struct cert *ca;
	struct issue_policy policy;
	/* Any of these may have signed a manifest, and the requests in it; without one each request must be signed with
	 * its own key. */
	struct cert *ra[SIGN_RA_MAX + 1];
	bool no_manifest;		/* with an RA: an archive without a signed manifest will do */
	time_t now;
	void (*complain)(const char *object, const char *text);	/* of a worker that cannot start */
	/* Ours. */
	EVP_PKEY *ra_key[SIGN_RA_MAX + 1];
	struct issuer *issuer;
	struct sign_archive *archive;
	size_t archives, begun;
	uint8_t mark;			/* for struct inspect_task: the ra of the archive that an entry is from */
};

/* Before the key or its pass phrase is in memory: starts, for so many archives, the processes that will look at the
 * signatures of their manifests, if there is an RA to have made them. -1 with errno. */
int sign_start_checkers(struct sign *, size_t archives);

/* Checks key and certificates once, before the workers load the key each for themselves: a token does
 * not survive a fork. Keeps the pass phrase if it had to ask. -1 with a reason; *of_key tells whether
 * that is about the key or about the CA and the policy. */
int sign_prepare(struct sign *, bool *of_key, struct reason *);
void sign_free(struct sign *);

/* For struct inspect_task; ctx is a struct sign. The verdict's cn is the device. The workers have the key;
 * when it is in a token they need its files and sockets as well, and sign_init confines them to what
 * executes nothing and changes no directory. */
void sign_begin(void *ctx);
enum inspect_admission sign_admit(void *ctx, const struct untar_item *, struct reason *);
int sign_init(void *ctx);
void sign_judge(void *ctx, struct bytes data, struct verdict *, struct buf *der);

/* After the last entry of an archive, 0 being the first: a name that its manifest lists and nobody saw, or NULL. */
const char *sign_missing(const struct sign *, size_t archive);

#endif
