/* SPDX-License-Identifier: ISC */
/* The names of requests and certificates in the spool, capf-spool(5): DEVICE+YYYYMMDDThhmmssZ+KEY and a suffix. Device,
 * time and key say which request it is; its certificate has the same three, in whatever directory they are. */
#ifndef REQID_H
#define REQID_H

#include <stdbool.h>
#include <time.h>

#include "base/device.h"
#include "base/utc.h"

#define REQID_SPKI 32		/* SHA-256 of the SubjectPublicKeyInfo */
#define REQID_NAME_MAX (DEVICE_MAX + 1 + UTC_STAMP + 1 + 2 * REQID_SPKI + 4)

enum reqid_kind {
	REQID_CSR,		/* .csr: a request signed with its own key */
	REQID_RA,		/* .ra: a request that CAPF vouches for */
	REQID_DER,		/* .der: a certificate */
};

struct reqid {
	char device[DEVICE_MAX + 1];
	char stamp[UTC_STAMP + 1];	/* when the request came; newer is greater */
	unsigned char spki[REQID_SPKI];
	unsigned char kind;
};

/* False for a name that is none of ours. */
bool reqid_parse(const char *file, struct reqid *);
/* Would it be taken, and is it a request, or not? For counting, without the answer. */
bool reqid_legal(const char *file, bool request);
void reqid_name(const struct reqid *, enum reqid_kind, char out[REQID_NAME_MAX + 1]);

/* The files of trace/: DEVICE+YYYYMMDDThhmmssZ.lsc.der, or .mic.der, with the time of the order. */
#define REQID_TRACE_MAX (DEVICE_MAX + 1 + UTC_STAMP + 8)
void reqid_trace_name(const char *device, time_t scheduled, bool mic, char out[REQID_TRACE_MAX + 1]);
/* Its time; false for a name that is none of these. */
bool reqid_trace_parse(const char *file, char stamp[UTC_STAMP + 1]);

/* By device, then time, then key. */
int reqid_compare(const struct reqid *, const struct reqid *);
/* Is a newer than b? Both are of one device. */
bool reqid_newer(const struct reqid *a, const struct reqid *b);

#endif
