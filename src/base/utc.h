/* SPDX-License-Identifier: ISC */
/* Times as options, output and the names of the spool's files write them; always UTC. */
#ifndef UTC_H
#define UTC_H

#include <stdbool.h>
#include <time.h>

/* The first and the last second of years with four digits, 0000 and 9999; RFC 5280 4.1.2.5 has no others. */
#define UTC_FIRST ((time_t)-62167219200)
#define UTC_LAST ((time_t)253402300799)
#define UTC_STAMP 16		/* YYYYMMDDThhmmssZ, as in the names of the spool's files */
#define UTC_ISO 20		/* YYYY-MM-DDThh:mm:ssZ, as on stdout */

void utc_stamp(time_t, char out[UTC_STAMP + 1]);
void utc_iso(time_t, char out[UTC_ISO + 1]);
/* Reads a stamp; what follows it is not looked at. False when it is not one. */
bool utc_from_stamp(const char *, time_t *);
/* A time as an option takes it: a date, date and time, a stamp, or @ and seconds since 1970. */
bool utc_parse(const char *, time_t *);
/* A span: a number with s, m, h, d or w behind it. */
bool utc_span(const char *, time_t *);
/* The argument of -P: seconds since 1970. */
bool utc_clock(const char *, time_t *);

#endif
