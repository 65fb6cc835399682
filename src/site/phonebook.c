/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "site/phonebook.h"
#include "spool/newest.h"
#include "spool/stage.h"

#define RECORD_BYTES 512	/* about what a record takes */

const char *const phonebook_lscs[] = {"none", "pending", "ready", "installed", "stale", NULL};

static int collect(void *ctx, const char *name)
{
	const char *dot = strrchr(name, '.');
	struct phonebook_name n = {.settings = dot != NULL && strcmp(dot, PHONEBOOK_CONF) == 0,
	    .state = dot != NULL && strcmp(dot, PHONEBOOK_STATE) == 0,
	    .note = dot != NULL && strcmp(dot, PHONEBOOK_NOTE) == 0};

	if ((!n.settings && !n.state && !n.note) || !device_ok(name, (size_t)(dot - name)))
		return 0;
	memcpy(n.device, name, (size_t)(dot - name));
	buf_put(ctx, &n, sizeof n);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct phonebook_name *)a)->device, ((const struct phonebook_name *)b)->device);
}

int phonebook_list(const struct spool *s, struct phonebook_name **list, size_t *n)
{
	struct buf found = {0};
	size_t count;

	if (spool_each(s, SPOOL_PHONE, collect, &found) != 0 || found.failed) {
		if (found.failed)
			errno = ENOMEM;
		buf_free(&found);
		return -1;
	}
	*list = (struct phonebook_name *)(void *)found.p;
	*n = 0;
	count = found.len / sizeof **list;
	if (count > 0)
		qsort(*list, count, sizeof **list, compare);
	/* A record, its state and its note become one. */
	for (size_t i = 0; i < count; i++) {
		if (*n > 0 && compare(&(*list)[*n - 1], &(*list)[i]) == 0) {
			(*list)[*n - 1].settings |= (*list)[i].settings;
			(*list)[*n - 1].state |= (*list)[i].state;
			(*list)[*n - 1].note |= (*list)[i].note;
		} else {
			(*list)[(*n)++] = (*list)[i];
		}
	}
	return 0;
}

/* A file of a phone as text, which wipe frees. 1; 0 when there is none; -1 with a reason. */
static int slurp(const struct spool *s, const char *device, const char *suffix, unsigned char **text,
    size_t *len, struct reason *why)
{
	char name[PHONEBOOK_NAME_MAX + 1];

	snprintf(name, sizeof name, "%s%s", device, suffix);
	if (spool_read(s, SPOOL_PHONE, name, text, len) != 0)
		return errno == ENOENT ? 0 : reason_errno(why);
	if (*len <= PHONE_FILE_MAX && memchr(*text, '\0', *len) == NULL)
		return 1;
	reason_set(why, *len > PHONE_FILE_MAX ? "too large" : "has a NUL byte");
	explicit_bzero(*text, *len);
	free(*text);
	return -1;
}

static void wipe(unsigned char *text, size_t len)
{
	explicit_bzero(text, len);
	free(text);
}

static int load(const struct spool *s, const char *device, bool has_state, struct phone *p, struct phone_state *st,
    struct reason *why)
{
	struct reason cause;
	unsigned char *text;
	int result;
	size_t len;

	phone_init(p, device);
	*st = (struct phone_state){.status = PHONE_PENDING};
	if ((result = slurp(s, device, PHONEBOOK_CONF, &text, &len, why)) <= 0)
		return result;
	result = phone_parse(p, (const char *)text, why);
	wipe(text, len);
	if (result != 0)
		return -1;
	if (!has_state || (result = slurp(s, device, PHONEBOOK_STATE, &text, &len, &cause)) == 0)
		return 1;
	if (result > 0) {
		result = phone_state_parse(st, (const char *)text, &cause);
		wipe(text, len);
	}
	if (result == 0)
		return 1;
	return reason_because(why, &cause, "what became of it: %s", cause.text);
}

bool phonebook_has(const struct spool *s, const char *device)
{
	char name[PHONEBOOK_NAME_MAX + 1];
	struct stat st;

	snprintf(name, sizeof name, "%s" PHONEBOOK_CONF, device);
	return fstatat(s->dir[SPOOL_PHONE], name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int phonebook_load(const struct spool *s, const char *device, struct phone *p, struct phone_state *st,
    struct reason *why)
{
	return load(s, device, true, p, st, why);
}

int phonebook_load_listed(const struct spool *s, const struct phonebook_name *name, struct phone *p,
    struct phone_state *st, struct reason *why)
{
	return load(s, name->device, name->state, p, st, why);
}

int phonebook_note(const struct spool *s, const char *device, struct phone_state *note, struct reason *why)
{
	struct reason cause;
	unsigned char *text;
	int result;
	size_t len;

	*note = (struct phone_state){.status = PHONE_PENDING};
	if ((result = slurp(s, device, PHONEBOOK_NOTE, &text, &len, &cause)) == 0)
		return 0;
	if (result > 0) {
		result = phone_state_parse(note, (const char *)text, &cause);
		wipe(text, len);
		if (result == 0)
			return 1;
	}
	return reason_because(why, &cause, "the note of its last visit: %s", cause.text);
}

/* Writes one into the stage, under the name it will have. */
static int stage_one(struct stage *g, struct phonebook_item *item)
{
	char name[PHONEBOOK_NAME_MAX + 1];
	struct buf text = {0};
	int result = -1;

	snprintf(name, sizeof name, "%s" PHONEBOOK_CONF, item->phone.device);
	phone_format(&item->phone, &text);
	if (text.failed)
		errno = ENOMEM;
	else
		result = stage_write(g, name, text.p, text.len);
	if (text.p != NULL)
		explicit_bzero(text.p, text.len);
	buf_free(&text);
	item->error = result == 0 ? 0 : errno;
	return result == 0 || errno == EEXIST ? 0 : -1;
}

static int publish_one(struct spool *s, struct stage *g, struct phonebook_item *item)
{
	char name[PHONEBOOK_NAME_MAX + 1];
	int result;

	if (item->error != 0)
		return 0;
	snprintf(name, sizeof name, "%s" PHONEBOOK_CONF, item->phone.device);
	result = item->fresh ? stage_publish(g, name, s->dir[SPOOL_PHONE], name) :
	    stage_replace(g, name, s->dir[SPOOL_PHONE], name);
	item->error = result == 0 ? 0 : errno;
	return result == 0 || errno == EEXIST ? 0 : -1;
}

/* The names of what was staged, for a stage that syncs file by file. */
static int sync_all(struct stage *g, const struct phonebook_item *item, size_t n)
{
	char (*name)[PHONEBOOK_NAME_MAX + 1] = calloc(n, sizeof *name);
	const char **list = calloc(n, sizeof *list);
	int result = -1, saved;

	if (name != NULL && list != NULL) {
		for (size_t i = 0; i < n; i++) {
			snprintf(name[i], sizeof name[i], "%s" PHONEBOOK_CONF, item[i].phone.device);
			list[i] = name[i];
		}
		result = stage_sync(g, list, n);
	}
	saved = errno;
	free(name);
	free(list);
	errno = saved;
	return result;
}

int phonebook_save(struct spool *s, struct phonebook_item *item, size_t n)
{
	struct stage stage;
	int result = 0, saved;

	if (n == 0)
		return 0;
	if (spool_room(s, n, n * RECORD_BYTES) != 0 || stage_open(s, &stage) != 0)
		return -1;
	for (size_t i = 0; i < n && result == 0; i++)
		result = stage_one(&stage, &item[i]);
	if (result == 0)
		result = sync_all(&stage, item, n);
	for (size_t i = 0; i < n && result == 0; i++) {
		result = publish_one(s, &stage, &item[i]);
		spool_step(s);
	}
	if (result == 0)
		result = spool_sync(s, SPOOL_PHONE);
	saved = errno;
	stage_close(s, &stage);
	errno = saved;
	return result;
}

/* 1 when it is gone by our hand, 0 when somebody was quicker, -1 with errno. */
static int remove_one(struct spool *s, const char *device, const char *suffix)
{
	char name[PHONEBOOK_NAME_MAX + 1];

	snprintf(name, sizeof name, "%s%s", device, suffix);
	if (spool_remove(s, SPOOL_PHONE, name) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

int phonebook_remove(struct spool *s, const char *device)
{
	int settings = remove_one(s, device, PHONEBOOK_CONF);
	int state = settings < 0 ? -1 : remove_one(s, device, PHONEBOOK_STATE);
	int note = state < 0 ? -1 : remove_one(s, device, PHONEBOOK_NOTE);

	return note < 0 ? -1 : settings + state + note;
}

int phonebook_remove_state(struct spool *s, const char *device)
{
	return remove_one(s, device, PHONEBOOK_STATE) < 0 || remove_one(s, device, PHONEBOOK_NOTE) < 0 ? -1 : 0;
}

struct listed {
	const struct phonebook_name *name;
	size_t n;
};

static int compare_device(const void *device, const void *name)
{
	return strcmp(device, ((const struct phonebook_name *)name)->device);
}

static bool is_listed(void *ctx, const char *device)
{
	const struct listed *l = ctx;

	return bsearch(device, l->name, l->n, sizeof *l->name, compare_device) != NULL;
}

int phonebook_index(struct index *ix, const struct spool *s, const struct phonebook_name *name, size_t n)
{
	struct listed listed = {name, n};

	/* Without phones nothing need be read. */
	return index_load_for(ix, s, n > 0 ? PHONEBOOK_DIRS : 0, &(struct spool_wanted){is_listed, &listed});
}

/* Is e to be shown rather than best? Of one request, as in the middle of a move, the later step. */
static bool outranks(const struct index_entry *e, const struct index_entry *best)
{
	return best == NULL || reqid_newer(&e->reqid, &best->reqid) ||
	    (!reqid_newer(&best->reqid, &e->reqid) && e->dir > best->dir);
}

void phonebook_look(const struct index *ix, const char *device, struct phonebook_view *v)
{
	const struct index_entry *e = NULL, *newest = NULL;

	*v = (struct phonebook_view){.lsc = PHONEBOOK_NONE};
	while ((e = index_device(ix, device, e)) != NULL) {
		if (e->dir == SPOOL_STALE) {
			v->stale = true;
			continue;
		}
		if (outranks(e, newest))
			newest = e;
		if (e->dir != SPOOL_CSR && outranks(e, v->cert))
			v->cert = e;
	}
	if (newest != NULL)
		v->lsc = newest->dir == SPOOL_CSR ? PHONEBOOK_ASKED :
		    newest->dir == SPOOL_LSC ? PHONEBOOK_READY : PHONEBOOK_INSTALLED;
	else if (v->stale)
		v->lsc = PHONEBOOK_STALE;
	if (v->lsc == PHONEBOOK_ASKED)
		v->request = newest;
}

time_t phonebook_newest(const struct index *ix, const char *device)
{
	char last[UTC_STAMP + 1];
	time_t newest;

	newest_last(ix, device, last);
	return *last != '\0' && utc_from_stamp(last, &newest) ? newest : 0;
}
