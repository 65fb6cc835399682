/* SPDX-License-Identifier: ISC */
#include "base/hash.h"

#define OFFSET_BASIS 0xcbf29ce484222325
#define PRIME 0x100000001b3

uint64_t hash_name(const char *name, uint64_t seed)
{
	uint64_t h = OFFSET_BASIS ^ seed;

	while (*name != '\0')
		h = (h ^ (unsigned char)*name++) * PRIME;
	return h;
}
