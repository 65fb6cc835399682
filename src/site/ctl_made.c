/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/bytes.h"
#include "base/escape.h"
#include "base/hash.h"
#include "base/utc.h"
#include "site/ctl_made.h"
#include "spool/stage.h"

#define SUFFIX ".ctl"
#define NAME_LEN (16 + sizeof SUFFIX - 1)	/* hash_name of the path, in hex */

static void name_of(const char *path, char out[NAME_LEN + 1])
{
	snprintf(out, NAME_LEN + 1, "%016" PRIx64 SUFFIX, hash_name(path, 0));
}

static bool is_made(const char *name)
{
	return strlen(name) == NAME_LEN && strspn(name, "0123456789abcdef") == 16 && strcmp(name + 16, SUFFIX) == 0;
}

static void put_text(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

int ctl_made_lock(struct spool *s)
{
	return flock(s->dir[SPOOL_CA], LOCK_EX);
}

int ctl_made_put(struct spool *s, const struct ctl_made *m, struct reason *why)
{
	char name[NAME_LEN + 1], iso[UTC_ISO + 1], hex[2 * sizeof m->capf[0] + 1], escaped[ESCAPE_LEN];
	struct buf b = {0};
	int result;

	utc_iso(m->made, iso);
	put_text(&b, "path = ");
	for (const char *p = m->path; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == '\\' || *p == 0x7f)
			buf_put(&b, escaped, escape_put((unsigned char)*p, escaped));
		else
			buf_put(&b, p, 1);
	put_text(&b, "\nmade = ");
	put_text(&b, iso);
	put_text(&b, "\n");
	for (size_t i = 0; i < m->n; i++) {
		bytes_hex(m->capf[i], sizeof m->capf[i], hex);
		put_text(&b, "capf = ");
		put_text(&b, hex);
		put_text(&b, "\n");
	}
	name_of(m->path, name);
	if (b.failed)
		result = reason_memory(why);
	else if ((result = stage_put(s, SPOOL_CA, name, b.p, b.len, true)) != 0)
		reason_errno(why);
	buf_free(&b);
	return result;
}

/* A path as it is written, in place. False when it is not written like that. */
static bool unescape(char *text)
{
	char *out = text;
	unsigned char byte;

	for (; *text != '\0'; text++) {
		if (*text != '\\') {
			*out++ = *text;
			continue;
		}
		if (!escape_get(text, &byte) || byte == '\0')
			return false;
		*out++ = (char)byte;
		text += ESCAPE_LEN - 1;
	}
	*out = '\0';
	return true;
}

/* Not base/ini, whose lines are too short for a path. */
static int take(struct ctl_made *m, char *line, struct reason *why)
{
	char *value = strstr(line, " = ");

	if (value == NULL)
		return reason_set(why, "has a line that is not \"name = value\"");
	*value = '\0';
	value += 3;
	if (strcmp(line, "path") == 0) {
		if (m->path != NULL || !unescape(value) || *value != '/')
			return reason_set(why, "has two paths, or one that is not absolute");
		m->path = value;
	} else if (strcmp(line, "made") == 0) {
		if (!utc_parse(value, &m->made))
			return reason_set(why, "has a time that is none");
	} else if (strcmp(line, "capf") == 0) {
		if (m->n == CTL_MADE_CAPF_MAX || strlen(value) != 2 * sizeof m->capf[0] ||
		    !bytes_unhex(value, sizeof m->capf[0], m->capf[m->n]))
			return reason_set(why, "has too many certificates, or one that is no SHA-256");
		m->n++;
	} else {
		return reason_set(why, "has a line with the unknown name \"%.40s\"", line);
	}
	return 0;
}

/* One file, whose text is changed and must stay. -1 with a reason. */
static int parse(struct ctl_made *m, const char *file, unsigned char *data, size_t len, struct reason *why)
{
	char *rest = (char *)data, *line, name[NAME_LEN + 1];

	*m = (struct ctl_made){.path = NULL};
	if (memchr(data, '\0', len) != NULL)
		return reason_set(why, "has a NUL byte");
	if (len == 0 || data[len - 1] != '\n')
		return reason_set(why, "its last line is cut off");
	while ((line = strsep(&rest, "\n")) != NULL && rest != NULL)
		if (take(m, line, why) != 0)
			return -1;
	if (m->path == NULL || m->made == 0)
		return reason_set(why, "lacks its path or its time");
	name_of(m->path, name);
	return strcmp(name, file) == 0 ? 0 : reason_set(why, "is about another path than its name says");
}

int ctl_made_each(const struct spool *s, int (*each)(void *ctx, const struct ctl_made *, const char *file,
    const struct reason *), void *ctx, struct reason *why)
{
	int result = 0;
	char **list;
	size_t n;

	if (spool_names(s, SPOOL_CA, is_made, &list, &n) != 0)
		result = reason_trouble(why, "%s: %s", spool_dir_name(SPOOL_CA), strerror(errno));
	for (size_t i = 0; i < n; i++) {
		struct reason cause = {.text = ""};
		unsigned char *data = NULL;
		struct ctl_made m;
		size_t len;

		if (result == 0) {
			bool good = false;

			if (spool_read(s, SPOOL_CA, list[i], &data, &len) != 0)
				reason_errno(&cause);
			else
				good = parse(&m, list[i], data, len, &cause) == 0;
			result = each(ctx, good ? &m : NULL, list[i], &cause);
			free(data);
		}
		free(list[i]);
	}
	free(list);
	return result;
}

bool ctl_made_has(const struct ctl_made *m, const unsigned char digest[32])
{
	for (size_t i = 0; i < m->n; i++)
		if (memcmp(m->capf[i], digest, sizeof m->capf[i]) == 0)
			return true;
	return false;
}
