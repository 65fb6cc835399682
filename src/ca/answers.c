/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ca/answers.h"

static bool ends_in_slash(const char *path)
{
	size_t len = strlen(path);

	return len > 0 && path[len - 1] == '/';
}

bool answers_wants_directory(const char *output)
{
	struct stat st;

	return output != NULL && (ends_in_slash(output) || (stat(output, &st) == 0 && S_ISDIR(st.st_mode)));
}

/* The name without its directories; "" when there is none. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strcmp(path, "-") == 0 ? "" : slash != NULL ? slash + 1 : path;
}

/* DIR/a.tgz for a.tgz, wherever that is. NULL when out of memory. */
static char *name_in(const char *dir, const char *archive)
{
	char *path;

	return asprintf(&path, "%s%s%s", dir, ends_in_slash(dir) ? "" : "/", base_name(archive)) >= 0 ? path : NULL;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat one, other;

	return strcmp(b, "-") != 0 && stat(a, &one) == 0 && stat(b, &other) == 0 && S_ISREG(one.st_mode) &&
	    one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* Is this answer's name free: no earlier one's, and no archive's? */
static int check(const struct answers *a, size_t at, const char *const *archive, size_t n, const char **object,
    struct reason *why)
{
	const char *path = a->path[at];

	for (size_t i = 0; i < at; i++)
		if (strcmp(a->path[i], path) == 0 || is_same_file(a->path[i], path))
			return reason_set(why, "%s has the same answer, %s: give it another name", archive[i], path);
	*object = path;
	for (size_t i = 0; i < n; i++)
		if (is_same_file(path, archive[i]))
			return reason_set(why, "is an archive of requests, which the answer would replace");
	return 0;
}

int answers_name(struct answers *a, const char *output, const char *const *archive, size_t n, const char **object,
    struct reason *why)
{
	*a = (struct answers){.each = answers_wants_directory(output)};
	*object = output;
	if ((a->path = calloc(n, sizeof *a->path)) == NULL)
		return reason_memory(why);
	if (!a->each) {
		if (output == NULL || strcmp(output, "-") == 0)
			return 0;
		if ((a->path[0] = strdup(output)) == NULL)
			return reason_memory(why);
		a->n = 1;
		return check(a, 0, archive, n, object, why);
	}
	for (; a->n < n; a->n++) {
		*object = archive[a->n];
		if (*base_name(archive[a->n]) == '\0')
			return reason_set(why, "has no name for an answer in %s", output);
		if ((a->path[a->n] = name_in(output, archive[a->n])) == NULL)
			return reason_memory(why);
		if (check(a, a->n, archive, n, object, why) != 0) {
			a->n++;
			return -1;
		}
	}
	return 0;
}

void answers_free(struct answers *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->path[i]);
	free(a->path);
	*a = (struct answers){0};
}
