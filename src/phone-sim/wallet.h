/* SPDX-License-Identifier: ISC */
/* What simulated phones have on the disk: certificates and keys to begin with, and what they make and
 * store. */
#ifndef WALLET_H
#define WALLET_H

#include <stdbool.h>

#include "base/reason.h"
#include "phone-sim/sim.h"
#include "x509/cert.h"

struct wallet {
	/* Files, or folders with DEVICE.pem and DEVICE.key for each phone that has a certificate. */
	const char *lsc, *lsc_key, *mic, *mic_key;
	const char *lsc_out;		/* a file, or such a folder */
	const char *key_dir;		/* DEVICE.key: made in this run, or one before it */
	bool many;			/* so files will not do for what is written */
	struct cert *lsc_cert, *mic_cert;
};

/* What the phones have in common goes into the plan. -1 with a reason. */
int wallet_open(struct wallet *, struct sim_plan *, struct reason *);
void wallet_close(struct wallet *, struct sim_plan *);

/* To a phone what is its own. -1 with a reason. */
int wallet_hand(const struct wallet *, struct sim *, struct reason *);
/* These are on the disk when they return. -1 with a reason. */
int wallet_keep_key(const struct wallet *, const struct sim *, EVP_PKEY *, struct reason *);
int wallet_keep_lsc(const struct wallet *, const struct sim *, struct bytes der, struct reason *);

#endif
