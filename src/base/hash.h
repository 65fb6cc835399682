/* SPDX-License-Identifier: ISC */
/* The hash of a device's or a file's name, for tables in memory and for the places of locks. It is not for secrets. */
#ifndef HASH_H
#define HASH_H

#include <stdint.h>

/* FNV-1a with 64 bits (draft-eastlake-fnv). A table of names that come from outside takes a random seed, so that
 * nobody can choose names that all fall into one chain; 0 gives the usual FNV-1a. */
uint64_t hash_name(const char *, uint64_t seed);

#endif
