/* SPDX-License-Identifier: ISC */
/* The names of the spool's files carry the facts: DEVICE+YYYYMMDDThhmmssZ+SPKI.csr. What stands before
 * the dot is the stem; a request and its certificate share it, whatever directory they are in. */
#ifndef STEM_H
#define STEM_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/device.h"
#include "base/when.h"

#define STEM_SPKI 32		/* SHA-256 of the SubjectPublicKeyInfo */
#define STEM_NAME_MAX (DEVICE_MAX + 1 + WHEN_STAMP + 1 + 2 * STEM_SPKI + 4)

enum stem_kind {
	STEM_CSR,		/* .csr: a request signed with its own key */
	STEM_RA,		/* .ra: a request that CAPF vouches for */
	STEM_DER,		/* .der: a certificate */
};

struct stem {
	char device[DEVICE_MAX + 1];
	char stamp[WHEN_STAMP + 1];	/* when the request came; newer is greater */
	unsigned char spki[STEM_SPKI];
	unsigned char kind;
};

/* False for a name that is none of ours. */
bool stem_parse(const char *file, struct stem *);
/* Would it be taken, and is it a request, or not? For counting, without the answer. */
bool stem_legal(const char *file, bool request);
void stem_name(const struct stem *, enum stem_kind, char out[STEM_NAME_MAX + 1]);

/* The files of trace/: DEVICE+YYYYMMDDThhmmssZ.lsc.der, or .mic.der, with the time of the order. */
#define STEM_TRACE_MAX (DEVICE_MAX + 1 + WHEN_STAMP + 8)
void stem_trace_name(const char *device, time_t scheduled, bool mic, char out[STEM_TRACE_MAX + 1]);
/* Its time; false for a name that is none of these. */
bool stem_trace_parse(const char *file, char stamp[WHEN_STAMP + 1]);

/* By device, then time, then key. */
int stem_compare(const struct stem *, const struct stem *);
/* Is a newer than b? Both are of one device. */
bool stem_newer(const struct stem *a, const struct stem *b);

#endif
