/* SPDX-License-Identifier: ISC */
/* The files of simulated phones, phone-sim(1): certificates and keys to begin with, and those that they make and
 * store. */
#ifndef SIM_FILES_H
#define SIM_FILES_H

#include <stdbool.h>

#include "base/reason.h"
#include "phone-sim/sim_phone.h"
#include "x509/cert.h"

struct sim_files {
	/* Files, or folders with DEVICE.pem and DEVICE.key for each phone that has a certificate. */
	const char *lsc, *lsc_key, *mic, *mic_key;
	const char *lsc_out;		/* a file, or such a folder */
	const char *key_dir;		/* DEVICE.key: made in this run, or one before it */
	bool many;			/* so files will not do for what is written */
	struct cert *lsc_cert, *mic_cert;
};

/* Puts what the phones have in common into the plan. -1 with a reason. */
int sim_files_open(struct sim_files *, struct sim_plan *, struct reason *);
void sim_files_close(struct sim_files *, struct sim_plan *);

/* To a phone what is its own. -1 with a reason. */
int sim_files_hand(const struct sim_files *, struct sim *, struct reason *);
/* These are on the disk when they return. -1 with a reason. */
int sim_files_keep_key(const struct sim_files *, const struct sim *, EVP_PKEY *, struct reason *);
int sim_files_keep_lsc(const struct sim_files *, const struct sim *, struct bytes der, struct reason *);

#endif
