/* SPDX-License-Identifier: ISC */
/* The phones of a spool, as phone-list(1) shows them: lists them, reads one, writes many at once, and finds their
 * certificates by the names of the files. */
#ifndef PHONEBOOK_H
#define PHONEBOOK_H

#include "site/phone.h"
#include "spool/index.h"
#include "spool/spool.h"

#define PHONEBOOK_CONF ".conf"
#define PHONEBOOK_STATE ".state"
#define PHONEBOOK_NOTE ".note"
#define PHONEBOOK_NAME_MAX (DEVICE_MAX + 6)

struct phonebook_name {
	char device[DEVICE_MAX + 1];
	bool settings, state, note;	/* what there is; without a record it is left of a phone that was deleted */
};

/* All, sorted; the caller frees. -1 with errno. */
int phonebook_list(const struct spool *, struct phonebook_name **, size_t *);

/* A phone and its state, or a state that says nothing yet. 1; 0 when there is no such phone; -1 with a
 * reason. */
int phonebook_load(const struct spool *, const char *device, struct phone *, struct phone_state *,
    struct reason *);
/* The same for a phone of a list that was made while its lock was held: what was no file then is none now. */
int phonebook_load_listed(const struct spool *, const struct phonebook_name *, struct phone *, struct phone_state *,
    struct reason *);

/* Is there a record of this device? Any doubt is a no. */
bool phonebook_has(const struct spool *, const char *device);

/* Why its last visit was not authenticated, as a state. 1; 0 when there is no note; -1 with a reason. */
int phonebook_note(const struct spool *, const char *device, struct phone_state *, struct reason *);

struct phonebook_item {
	struct phone phone;
	bool fresh;		/* it must not be there yet */
	bool generated;		/* its string is new and random, and to be shown: for the caller */
	bool order, same;	/* for the caller: its order is a new one; there is nothing to write */
	int error;		/* after phonebook_save: 0, or EEXIST when it was there, or came twice */
};

/* Writes many phones, durable when it returns. -1 with errno when nobody can say of any that it was done. */
int phonebook_save(struct spool *, struct phonebook_item *, size_t n);

/* Deletes a phone, record first. How many files that were; -1 with errno. spool_sync is left to the
 * caller. */
int phonebook_remove(struct spool *, const char *device);
/* Deletes what is left of a phone that is gone. -1 with errno. */
int phonebook_remove_state(struct spool *, const char *device);

enum phonebook_lsc { PHONEBOOK_NONE, PHONEBOOK_ASKED, PHONEBOOK_READY, PHONEBOOK_INSTALLED, PHONEBOOK_STALE };
extern const char *const phonebook_lscs[];	/* none, pending, ready, installed, stale, NULL */

struct phonebook_view {
	enum phonebook_lsc lsc;		/* of the newest request or certificate */
	bool stale;			/* it has a stale one as well */
	const struct index_entry *cert;	/* the newest that is ready or installed, or NULL */
	const struct index_entry *request;	/* the newest, when it waits, or NULL */
};

/* The directories that phonebook_look wants in its index. */
#define PHONEBOOK_DIRS (1u << SPOOL_CSR | 1u << SPOOL_LSC | 1u << SPOOL_STALE | 1u << SPOOL_INSTALLED)
/* Reads them, of the phones in a list of phonebook_list. -1 with errno. */
int phonebook_index(struct index *, const struct spool *, const struct phonebook_name *, size_t n);
void phonebook_look(const struct index *, const char *device, struct phonebook_view *);

/* The latest stamp of what a phone has, in an index of PHONEBOOK_ORDERED, for phone_apply; 0 when it has nothing. */
#define PHONEBOOK_ORDERED (1u << SPOOL_CSR | 1u << SPOOL_LSC | 1u << SPOOL_INSTALLED)
time_t phonebook_newest(const struct index *, const char *device);

#endif
