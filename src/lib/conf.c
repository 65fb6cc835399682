/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "fileio.h"
#include "when.h"

#define MAX_BYTES 65536		/* with a comment on every line it has 4 KiB */

static const struct conf defaults = {
	.import_max_entries = 500000,
	.import_max_entry_bytes = 65536,
	.import_max_total_bytes = (uint64_t)2 << 30,
	.import_max_ratio = 200,
	.keep_done = 30 * 86400,
	.keep_superseded = 90 * 86400,
	.keepalive = 15,
};

const char conf_template[] =
    "# capf.conf: settings of this spool, see capf.conf(5). What is commented out is the default.\n"
    "\n"
    "# What cert-import and csr-add accept in one archive.\n"
    "#import-max-entries = 500000\n"
    "#import-max-entry-bytes = 65536\n"
    "#import-max-total-bytes = 2147483648\n"
    "#import-max-ratio = 200\n"
    "\n"
    "# How long requests are kept when they were answered, and when a newer key superseded them (until\n"
    "# then a certificate for them is stale, afterwards it is refused). spool-check --repair takes older\n"
    "# ones away.\n"
    "#keep-done = 30d\n"
    "#keep-superseded = 90d\n"
    "\n"
    "# Minutes between signs of life on a connection that waits, 5 to 60.\n"
    "#keepalive = 15\n";

enum kind { NUMBER, MINUTES, SPAN };

static const struct setting {
	const char *name;
	enum kind kind;
	size_t at;
	uint64_t least, most;
} settings[] = {
	{"import-max-entries", NUMBER, offsetof(struct conf, import_max_entries), 1, UINT32_MAX / 4},
	/* More than 1 MiB is no certificate, whatever it is. */
	{"import-max-entry-bytes", NUMBER, offsetof(struct conf, import_max_entry_bytes), 1, 1 << 20},
	{"import-max-total-bytes", NUMBER, offsetof(struct conf, import_max_total_bytes), 1,
	    (uint64_t)1 << 40},
	/* Deflate cannot do better than 1032 to 1. */
	{"import-max-ratio", NUMBER, offsetof(struct conf, import_max_ratio), 1, 1032},
	{"keep-done", SPAN, offsetof(struct conf, keep_done), 0, 0},
	{"keep-superseded", SPAN, offsetof(struct conf, keep_superseded), 0, 0},
	{"keepalive", MINUTES, offsetof(struct conf, keepalive), 5, 60},
};

static int parse_number(const struct setting *s, const char *value, uint64_t *out, struct reason *why)
{
	char *end;

	errno = 0;
	*out = strtoull(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || *value == '-' || *out < s->least ||
	    *out > s->most)
		return reason_set(why, "%s wants a number from %llu to %llu", s->name,
		    (unsigned long long)s->least, (unsigned long long)s->most);
	return 0;
}

static int set(struct conf *c, const struct setting *s, const char *value, struct reason *why)
{
	char *field = (char *)c + s->at;
	uint64_t n;
	time_t span;

	if (s->kind == SPAN) {
		if (!when_span(value, &span))
			return reason_set(why, "%s wants a time such as 30d", s->name);
		memcpy(field, &span, sizeof span);
		return 0;
	}
	if (parse_number(s, value, &n, why) != 0)
		return -1;
	if (s->kind == MINUTES)
		memcpy(field, &(unsigned){(unsigned)n}, sizeof(unsigned));
	else
		memcpy(field, &n, sizeof n);
	return 0;
}

struct parsing {
	struct conf *conf;
	struct reason *why;
};

/* libinih's way: non-zero is good. */
static int take(void *user, const char *section, const char *name, const char *value)
{
	struct parsing *p = user;

	(void)section;
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		if (strcmp(name, settings[i].name) == 0)
			return set(p->conf, &settings[i], value, p->why) == 0;
	return reason_set(p->why, "there is no setting %.40s", name), 0;
}

int conf_parse(struct conf *c, const char *text, struct reason *why)
{
	struct reason cause = {"not \"name = value\""};
	struct parsing p = {c, &cause};
	int line;

	*c = defaults;
	/* An empty section is not told to take(). */
	if (*text == '[' || strstr(text, "\n[") != NULL)
		return reason_set(why, "there are no [sections] here");
	if ((line = ini_parse_string(text, take, &p)) == 0)
		return 0;
	return reason_set(why, "line %d: %s", line, cause.text);
}

int conf_load(struct conf *c, int dirfd, struct reason *why)
{
	unsigned char *text;
	size_t len;
	int result;

	if (fileio_slurp(dirfd, "capf.conf", MAX_BYTES, &text, &len) != 0)
		return reason_set(why, "%s", strerror(errno));
	result = memchr(text, '\0', len) != NULL ? reason_set(why, "has a NUL byte") :
	    conf_parse(c, (const char *)text, why);
	free(text);
	return result;
}
