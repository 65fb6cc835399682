/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "cli/devices.h"
#include "cli/status.h"

static int add(struct devices *ns, size_t *cap, const char *text, struct reason *why)
{
	char tidy[DEVICE_MAX + 1];

	if (!device_tidy(text, tidy))
		return reason_set(why, "\"%.80s\" is not a device name", text);
	if (ns->n == *cap) {
		size_t more = *cap > 0 ? *cap * 2 : 64;
		struct name *grown = reallocarray(ns->name, more, sizeof *grown);

		if (grown == NULL)
			return reason_errno(why);
		ns->name = grown;
		*cap = more;
	}
	ns->name[ns->n] = (struct name){.used = false};
	strcpy(ns->name[ns->n].device, tidy);
	if (strcmp(text, tidy) != 0 && device_ok(text, strlen(text)))
		strcpy(ns->name[ns->n].typed, text);
	ns->n++;
	return 0;
}

static int add_lines(struct devices *ns, size_t *cap, const char *path, bool zero, struct reason *why)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	int result = 0;

	if (in == NULL)
		return reason_errno(why);
	while (result == 0 && fileio_line(in, zero, &line, &room) != NULL) {
		/* So that a list can be piped with all its columns. */
		if (!zero)
			line[strcspn(line, "\t")] = '\0';
		if (line[strspn(line, " \t\r")] != '\0')
			result = add(ns, cap, line, why);
	}
	if (result == 0 && ferror(in))
		result = reason_errno(why);
	free(line);
	if (in != stdin)
		fclose(in);
	return result;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->device, ((const struct name *)b)->device);
}

/* Of one device, what was typed keeps names apart until it is settled. */
static int compare_typed(const void *a, const void *b)
{
	int order = compare(a, b);

	return order != 0 ? order : strcmp(((const struct name *)a)->typed, ((const struct name *)b)->typed);
}

/* Sorts them, and leaves each name once. */
static void sort(struct devices *ns)
{
	size_t kept = 0;

	if (ns->n > 0)
		qsort(ns->name, ns->n, sizeof *ns->name, compare_typed);
	for (size_t i = 0; i < ns->n; i++)
		if (kept == 0 || compare_typed(&ns->name[kept - 1], &ns->name[i]) != 0)
			ns->name[kept++] = ns->name[i];
	ns->n = kept;
}

int devices_read(struct devices *ns, int argc, char *const argv[], const char *path, bool zero,
    const char **object, struct reason *why)
{
	size_t cap = 0;

	*ns = (struct devices){.all = path == NULL && argc == 0};
	*object = NULL;
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "all") == 0) {
			if (argc > 1 || path != NULL)
				return reason_set(why, "\"all\" stands alone");
			ns->all = true;
		} else if (add(ns, &cap, argv[i], why) != 0) {
			return -1;
		}
	}
	*object = path;
	if (path != NULL && add_lines(ns, &cap, path, zero, why) != 0)
		return -1;
	sort(ns);
	return 0;
}

/* Is it a file of a device that somebody typed in another way than phones say it? Then that is the one. */
static int settle_one(void *ctx, const char *file)
{
	struct devices *ns = ctx;
	size_t len = strcspn(file, "+.");

	/* A record's name may have a dot in it, which its suffix has not. */
	if (file[len] == '.')
		len = (size_t)(strrchr(file, '.') - file);
	for (size_t i = 0; i < ns->n; i++)
		if (*ns->name[i].typed != '\0' && strncmp(file, ns->name[i].typed, len) == 0 &&
		    ns->name[i].typed[len] == '\0')
			strcpy(ns->name[i].device, ns->name[i].typed);
	return 0;
}

void devices_settle(struct devices *ns, const struct spool *s)
{
	bool doubt = false;

	for (size_t i = 0; i < ns->n && s != NULL; i++)
		doubt |= *ns->name[i].typed != '\0';
	for (int d = 0; d < SPOOL_DIRS && doubt; d++)
		if ((d < SPOOL_STATES || d == SPOOL_PHONE) && spool_each(s, (enum spool_dir)d, settle_one, ns) != 0)
			status_die_errno(spool_dir_name((enum spool_dir)d), "cannot list");
	for (size_t i = 0; i < ns->n; i++)
		*ns->name[i].typed = '\0';
	sort(ns);
}

void devices_free(struct devices *ns)
{
	free(ns->name);
	*ns = (struct devices){0};
}

static int compare_device(const void *device, const void *name)
{
	return strcmp(device, ((const struct name *)name)->device);
}

static struct name *find(const struct devices *ns, const char *device)
{
	return ns->n == 0 ? NULL : bsearch(device, ns->name, ns->n, sizeof *ns->name, compare_device);
}

bool devices_named(void *ctx, const char *device)
{
	const struct devices *ns = ctx;

	return ns->all || find(ns, device) != NULL;
}

bool devices_want(struct devices *ns, const char *device)
{
	struct name *found;

	if (ns->all)
		return true;
	found = find(ns, device);
	if (found != NULL)
		found->used = true;
	return found != NULL;
}

const char *devices_unused(const struct devices *ns, size_t *i)
{
	while (*i < ns->n)
		if (!ns->name[(*i)++].used)
			return ns->name[*i - 1].device;
	return NULL;
}

void devices_from_args(struct devices *names, int argc, char *const argv[], const char *path, bool zero)
{
	struct reason why;
	const char *object;

	if (devices_read(names, argc, argv, path, zero, &object, &why) != 0)
		status_die(status_of_input(why.trouble), object, "%s", why.text);
}

int devices_warn_unused(const struct devices *names, const char *what, int status)
{
	const char *device;
	size_t i = 0;

	while ((device = devices_unused(names, &i)) != NULL) {
		status_warn(device, "%s", what);
		status = status_worst(status, STATUS_REFUSED);
	}
	return status;
}
