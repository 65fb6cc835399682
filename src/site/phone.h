/* SPDX-License-Identifier: ISC */
/* A phone's record and state, as phone-set(1) changes and phone-list(1) shows them. phone/DEVICE.conf has the
 * order, and only the programs of an administrator write it; phone/DEVICE.state has the outcome, and
 * phone/DEVICE.note why the last visit was not authenticated: only capf-serve writes these two. capf-spool(5). */
#ifndef PHONE_H
#define PHONE_H

#include <stdbool.h>
#include <time.h>

#include "base/auth_string.h"
#include "base/bytes.h"
#include "base/device.h"
#include "base/reason.h"

#define PHONE_TEXT_MAX 128	/* so that a line stays short of what libinih reads */
#define PHONE_FILE_MAX 4096
#define PHONE_FIELD_MAX 32	/* bytes of the name of a field of the site's */
#define PHONE_OTHERS_MAX 512	/* of all these fields of a phone, with their names */

enum phone_operation { PHONE_NONE, PHONE_INSTALL, PHONE_DELETE, PHONE_TROUBLESHOOT };
enum phone_auth_mode { PHONE_BY_STRING, PHONE_BY_NULL, PHONE_BY_LSC, PHONE_BY_MIC };
enum phone_key_order { PHONE_RSA, PHONE_EC, PHONE_EC_RSA };
enum phone_status { PHONE_IDLE, PHONE_PENDING, PHONE_SUCCESSFUL, PHONE_FAILED };

/* Their words, NULL behind the last. */
extern const char *const phone_operations[], *const phone_auths[], *const phone_key_orders[],
    *const phone_statuses[];
/* The place of a word, or -1. */
int phone_word(const char *const words[], const char *);
/* The same for the value of something that has a name; -1 with a reason that says which words there are. */
int phone_word_named(const char *const words[], const char *name, const char *value, struct reason *);

struct phone {
	char device[DEVICE_MAX + 1];
	char description[PHONE_TEXT_MAX + 1];
	enum phone_operation operation;
	enum phone_auth_mode auth;
	char string[AUTH_STRING_MAX + 1];	/* "": none */
	enum phone_key_order key_order;
	unsigned rsa, ec;
	time_t complete_by;		/* 0: no deadline */
	char template[DEVICE_MAX + 1];
	time_t scheduled;		/* when the order was given; 0: never */
	time_t order;			/* its identity: that time, or a later one (phone_apply) */
	char others[PHONE_OTHERS_MAX + 1];	/* fields of the site's: "name=value\n", sorted by name */
};

struct phone_state {
	time_t order;			/* which one it speaks of */
	enum phone_status status;	/* not idle */
	char reason[PHONE_TEXT_MAX + 1];
	time_t when;
	unsigned attempts;		/* keys that were not made, or whose certificate was not stored */
	unsigned wrong_strings;
	unsigned refusals;		/* of the certificate that is ready */
	unsigned sign_hangups;		/* how often it hung up when it was asked to sign its request */
	unsigned version;
	bool locked;			/* failed by wrong strings */
	bool authenticated;		/* pending, and the phone has sent the string */
};

/* A new phone: nothing to do. */
void phone_init(struct phone *, const char *device);
/* The text of DEVICE.conf; p->device is left alone. -1 with a reason. */
int phone_parse(struct phone *, const char *text, struct reason *);
void phone_format(const struct phone *, struct buf *);
/* The same for DEVICE.state. */
int phone_state_parse(struct phone_state *, const char *text, struct reason *);
void phone_state_format(const struct phone_state *, struct buf *);

/* An order's status, to show and to go by: a state that speaks of another order does not count, and a
 * deadline that has passed is a failure. reason is "" or as long lived as both. */
struct phone_view {
	enum phone_status status;
	const char *reason;
	time_t when;			/* 0: nothing happened yet */
};
void phone_look(const struct phone *, const struct phone_state *, time_t now, struct phone_view *);
#define PHONE_SAID_MAX (2 * PHONE_TEXT_MAX + 64)
/* The reason as people read it: of an order that is pending, with the note of a later visit that was not
 * authenticated, whose time becomes the view's. */
void phone_say(const struct phone *, const struct phone_state *note, struct phone_view *,
    char out[PHONE_SAID_MAX + 1]);
/* The authentication string: "" when there is none, or it was used. */
const char *phone_string(const struct phone *, const struct phone_state *);

/* Has the phone sent the string of this order? What it proves by a certificate is not in its state. */
bool phone_authenticated(const struct phone *, const struct phone_state *);

enum phone_field {
	PHONE_F_DESCRIPTION,
	PHONE_F_OPERATION,
	PHONE_F_AUTH,
	PHONE_F_STRING,
	PHONE_F_KEY_ORDER,
	PHONE_F_RSA,
	PHONE_F_EC,
	PHONE_F_COMPLETE_BY,
	PHONE_F_TEMPLATE,
	PHONE_F_CHANGES,		/* those above may be changed by hand */
	PHONE_F_SCHEDULED = PHONE_F_CHANGES,
	PHONE_F_ORDER,
	PHONE_FIELDS
};

/* Fields of the site's, such as device-pool or building, which phone-add keeps and phone-report shows; nothing else
 * looks at them. The name of one, from the heading of its column: in small letters, with hyphens between the words. -1 with a
 * reason. */
int phone_other_name(const char *heading, char out[PHONE_FIELD_MAX + 1], struct reason *);
/* Sets one, of a name that phone_other_name made; "" takes it away. -1 with a reason. */
int phone_other_set(struct phone *, const char *name, const char *value, struct reason *);
/* The next one, from *at on, which begins at 0. False at the end. */
bool phone_other_next(const struct phone *, size_t *at, char name[PHONE_FIELD_MAX + 1], char value[PHONE_TEXT_MAX + 1]);

/* Which field is called so, or -1. */
int phone_field(const char *name);

/* New values as text, from options, a row or a template; NULL: as it was. */
struct phone_change {
	const char *value[PHONE_F_CHANGES];
	bool keep_string;	/* also one that wrong ones have locked */
};

/* Is each value a good one? -1 with a reason. */
int phone_change_check(const struct phone_change *, time_t now, struct reason *);
/* Changes a phone. An operation is a new order, unless the phone has the same one, with the same authentication and
 * keys, and has still to carry it out: that one stays as it is. Either shall be done in so many seconds from now (0: no
 * matter when) unless the change says until when. newest is the latest stamp of what the phone has in the
 * spool (phonebook_newest), 0 for none. The order's identity is later than that of the last order and not
 * earlier than newest, whatever the clock says: only what has a later stamp belongs to it. After an order
 * that was locked by wrong strings it wants another string. -1 with a reason, and nothing changed. */
int phone_apply(struct phone *, const struct phone_state *, const struct phone_change *, time_t now,
    time_t newest, time_t expires, struct reason *);

/* Do these two records of one device say the same? */
bool phone_same(const struct phone *, const struct phone *);

/* A template of capf.conf, behind dirfd, as a change whose values phone_change_free frees. How many it
 * has, 0 when there is no such template, -1 with a reason. */
int phone_template(int dirfd, const char *name, struct phone_change *, time_t now, struct reason *);
void phone_change_free(struct phone_change *);
/* Are all templates good? -1 with a reason. */
int phone_templates_check(int dirfd, time_t now, struct reason *);

/* Has it an authentication string that may have been handed out, and would be void if another one was made? */
#define PHONE_STRING_WAITS "has an authentication string already, which may have been handed out; phone-report --sheet " \
    "shows it, --again makes another"
bool phone_string_waits(const struct phone *, const struct phone_state *, time_t now);
/* So many random digits, the first of them not 0: a spreadsheet would lose it. -1 with errno. */
int phone_generate(char out[AUTH_STRING_MAX + 1], size_t digits);

#endif
