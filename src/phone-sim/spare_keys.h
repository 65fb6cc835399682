/* SPDX-License-Identifier: ISC */
/* Ready private keys for simulated phones, phone-sim(1) --keys, so that making keys does not take all the time. */
#ifndef SPARE_KEYS_H
#define SPARE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/evp.h>

#include "base/reason.h"

struct spare_keys {
	struct spare_keys_key {
		EVP_PKEY *key;
		bool ec;
		int bits;
	} *keys;
	size_t n, room;
};

/* Adds every private key in a file of PEM, or in the files of a folder. -1 with a reason. */
int spare_keys_load(struct spare_keys *, const char *path, struct reason *);
void spare_keys_free(struct spare_keys *);

/* The nth key of a kind, counted round and round: key_type and curve as in CAPF. One is made when
 * there is none of the kind. The caller frees. NULL when it cannot be made. */
EVP_PKEY *spare_keys_get(const struct spare_keys *, size_t n, uint8_t key_type, unsigned bits, uint8_t curve);

#endif
