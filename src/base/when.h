/* SPDX-License-Identifier: ISC */
/* Times as people and file names write them; always UTC. */
#ifndef WHEN_H
#define WHEN_H

#include <stdbool.h>
#include <time.h>

#define WHEN_STAMP 16		/* YYYYMMDDThhmmssZ, as in the names of the spool's files */
#define WHEN_ISO 20		/* YYYY-MM-DDThh:mm:ssZ, as on stdout */

void when_stamp(time_t, char out[WHEN_STAMP + 1]);
void when_iso(time_t, char out[WHEN_ISO + 1]);
/* Exactly a stamp, nothing behind it is looked at. */
bool when_from_stamp(const char *, time_t *);
/* A point in time: date, date and time, stamp, or seconds since 1970 behind an @. */
bool when_parse(const char *, time_t *);
/* A span: a number with s, m, h, d or w behind it. */
bool when_span(const char *, time_t *);
/* The argument of -P: seconds since 1970. */
bool when_clock(const char *, time_t *);

#endif
