/* SPDX-License-Identifier: ISC */
/* Times as people and file names write them; always UTC. */
#ifndef UTC_H
#define UTC_H

#include <stdbool.h>
#include <time.h>

#define UTC_STAMP 16		/* YYYYMMDDThhmmssZ, as in the names of the spool's files */
#define UTC_ISO 20		/* YYYY-MM-DDThh:mm:ssZ, as on stdout */

void utc_stamp(time_t, char out[UTC_STAMP + 1]);
void utc_iso(time_t, char out[UTC_ISO + 1]);
/* Exactly a stamp, nothing behind it is looked at. */
bool utc_from_stamp(const char *, time_t *);
/* A point in time: date, date and time, stamp, or seconds since 1970 behind an @. */
bool utc_parse(const char *, time_t *);
/* A span: a number with s, m, h, d or w behind it. */
bool utc_span(const char *, time_t *);
/* The argument of -P: seconds since 1970. */
bool utc_clock(const char *, time_t *);

#endif
