/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "spool/stem.h"

static const char suffix[][5] = {[STEM_CSR] = ".csr", [STEM_RA] = ".ra", [STEM_DER] = ".der"};

/* Cuts a name into its parts without looking at what they hold. */
static bool cut(const char *file, const char **stamp, const char **spki, const char **dot)
{
	const char *plus = strchr(file, '+');

	if (plus == NULL || strlen(plus) < 1 + WHEN_STAMP + 1 + 2 * STEM_SPKI + 3)
		return false;
	*stamp = plus + 1;
	*spki = *stamp + WHEN_STAMP + 1;
	*dot = *spki + 2 * STEM_SPKI;
	return (*spki)[-1] == '+' && device_ok(file, (size_t)(plus - file));
}

/* The shape of a time stamp; that there is such a day, whoever computes with it finds out. */
static bool stamp_shaped(const char *s)
{
	for (int i = 0; i < WHEN_STAMP; i++)
		if (i == 8 ? s[i] != 'T' : i == 15 ? s[i] != 'Z' : s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

static int kind_of(const char *dot)
{
	for (int k = STEM_CSR; k <= STEM_DER; k++)
		if (strcmp(dot, suffix[k]) == 0)
			return k;
	return -1;
}

bool stem_legal(const char *file, bool request)
{
	const char *stamp, *spki, *dot;
	int kind;

	return cut(file, &stamp, &spki, &dot) && stamp_shaped(stamp) &&
	    strspn(spki, "0123456789abcdef") == 2 * STEM_SPKI && (kind = kind_of(dot)) >= 0 &&
	    (kind != STEM_DER) == request;
}

bool stem_parse(const char *file, struct stem *s)
{
	const char *stamp, *spki, *dot;
	int kind;

	if (!cut(file, &stamp, &spki, &dot) || !stamp_shaped(stamp) || (kind = kind_of(dot)) < 0)
		return false;
	*s = (struct stem){.kind = (unsigned char)kind};
	memcpy(s->device, file, (size_t)(stamp - 1 - file));
	memcpy(s->stamp, stamp, WHEN_STAMP);
	return bytes_unhex(spki, STEM_SPKI, s->spki);
}

void stem_name(const struct stem *s, enum stem_kind kind, char out[STEM_NAME_MAX + 1])
{
	size_t n = strlen(s->device);

	memcpy(out, s->device, n);
	out[n++] = '+';
	memcpy(out + n, s->stamp, WHEN_STAMP);
	n += WHEN_STAMP;
	out[n++] = '+';
	bytes_hex(s->spki, STEM_SPKI, out + n);
	memcpy(out + n + 2 * STEM_SPKI, suffix[kind], strlen(suffix[kind]) + 1);
}

void stem_trace_name(const char *device, time_t scheduled, bool mic, char out[STEM_TRACE_MAX + 1])
{
	char stamp[WHEN_STAMP + 1];

	when_stamp(scheduled, stamp);
	snprintf(out, STEM_TRACE_MAX + 1, "%s+%s.%s.der", device, stamp, mic ? "mic" : "lsc");
}

bool stem_trace_parse(const char *file, char stamp[WHEN_STAMP + 1])
{
	const char *plus = strchr(file, '+');

	if (plus == NULL || !device_ok(file, (size_t)(plus - file)) || strlen(plus) != 1 + WHEN_STAMP + 8 ||
	    !stamp_shaped(plus + 1) || (strcmp(plus + 1 + WHEN_STAMP, ".lsc.der") != 0 &&
	    strcmp(plus + 1 + WHEN_STAMP, ".mic.der") != 0))
		return false;
	memcpy(stamp, plus + 1, WHEN_STAMP);
	stamp[WHEN_STAMP] = '\0';
	return true;
}

int stem_compare(const struct stem *a, const struct stem *b)
{
	int order = strcmp(a->device, b->device);

	if (order == 0)
		order = memcmp(a->stamp, b->stamp, WHEN_STAMP);
	return order != 0 ? order : memcmp(a->spki, b->spki, STEM_SPKI);
}

bool stem_newer(const struct stem *a, const struct stem *b)
{
	int order = memcmp(a->stamp, b->stamp, WHEN_STAMP);

	/* Two programs in one second: any order will do, so long as everybody sees the same. */
	return order != 0 ? order > 0 : memcmp(a->spki, b->spki, STEM_SPKI) > 0;
}
