/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "spool/reqid.h"

static const char suffix[][5] = {[REQID_CSR] = ".csr", [REQID_RA] = ".ra", [REQID_DER] = ".der"};

/* Cuts a name into its parts without looking at what they hold. */
static bool cut(const char *file, const char **stamp, const char **spki, const char **dot)
{
	const char *plus = strchr(file, '+');

	if (plus == NULL || strlen(plus) < 1 + UTC_STAMP + 1 + 2 * REQID_SPKI + 3)
		return false;
	*stamp = plus + 1;
	*spki = *stamp + UTC_STAMP + 1;
	*dot = *spki + 2 * REQID_SPKI;
	return (*spki)[-1] == '+' && device_ok(file, (size_t)(plus - file));
}

/* The shape of a time stamp; that there is such a day, whoever computes with it finds out. */
static bool stamp_shaped(const char *s)
{
	for (int i = 0; i < UTC_STAMP; i++)
		if (i == 8 ? s[i] != 'T' : i == 15 ? s[i] != 'Z' : s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

static int kind_of(const char *dot)
{
	for (int k = REQID_CSR; k <= REQID_DER; k++)
		if (strcmp(dot, suffix[k]) == 0)
			return k;
	return -1;
}

bool reqid_legal(const char *file, bool request)
{
	const char *stamp, *spki, *dot;
	int kind;

	return cut(file, &stamp, &spki, &dot) && stamp_shaped(stamp) &&
	    strspn(spki, "0123456789abcdef") == 2 * REQID_SPKI && (kind = kind_of(dot)) >= 0 &&
	    (kind != REQID_DER) == request;
}

bool reqid_parse(const char *file, struct reqid *s)
{
	const char *stamp, *spki, *dot;
	int kind;

	if (!cut(file, &stamp, &spki, &dot) || !stamp_shaped(stamp) || (kind = kind_of(dot)) < 0)
		return false;
	*s = (struct reqid){.kind = (unsigned char)kind};
	memcpy(s->device, file, (size_t)(stamp - 1 - file));
	memcpy(s->stamp, stamp, UTC_STAMP);
	return bytes_unhex(spki, REQID_SPKI, s->spki);
}

void reqid_name(const struct reqid *s, enum reqid_kind kind, char out[REQID_NAME_MAX + 1])
{
	size_t n = strlen(s->device);

	memcpy(out, s->device, n);
	out[n++] = '+';
	memcpy(out + n, s->stamp, UTC_STAMP);
	n += UTC_STAMP;
	out[n++] = '+';
	bytes_hex(s->spki, REQID_SPKI, out + n);
	memcpy(out + n + 2 * REQID_SPKI, suffix[kind], strlen(suffix[kind]) + 1);
}

void reqid_trace_name(const char *device, time_t scheduled, bool mic, char out[REQID_TRACE_MAX + 1])
{
	char stamp[UTC_STAMP + 1];

	utc_stamp(scheduled, stamp);
	snprintf(out, REQID_TRACE_MAX + 1, "%s+%s.%s.der", device, stamp, mic ? "mic" : "lsc");
}

bool reqid_trace_parse(const char *file, char stamp[UTC_STAMP + 1])
{
	const char *plus = strchr(file, '+');

	if (plus == NULL || !device_ok(file, (size_t)(plus - file)) || strlen(plus) != 1 + UTC_STAMP + 8 ||
	    !stamp_shaped(plus + 1) || (strcmp(plus + 1 + UTC_STAMP, ".lsc.der") != 0 &&
	    strcmp(plus + 1 + UTC_STAMP, ".mic.der") != 0))
		return false;
	memcpy(stamp, plus + 1, UTC_STAMP);
	stamp[UTC_STAMP] = '\0';
	return true;
}

int reqid_compare(const struct reqid *a, const struct reqid *b)
{
	int order = strcmp(a->device, b->device);

	if (order == 0)
		order = memcmp(a->stamp, b->stamp, UTC_STAMP);
	return order != 0 ? order : memcmp(a->spki, b->spki, REQID_SPKI);
}

bool reqid_newer(const struct reqid *a, const struct reqid *b)
{
	int order = memcmp(a->stamp, b->stamp, UTC_STAMP);

	/* Two programs in one second: any order will do, so long as everybody sees the same. */
	return order != 0 ? order > 0 : memcmp(a->spki, b->spki, REQID_SPKI) > 0;
}
