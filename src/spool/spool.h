/* SPDX-License-Identifier: ISC */
/* The spool's directories, as capf-spool(5) has them: opening them, reading, moving and removing files, making that
 * durable. It knows names and bytes, no X.509. New files come through a stage (stage.h), new spools from create.h.
 * Everything returns -1 or NULL with errno and is silent. */
#ifndef SPOOL_H
#define SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "spool/reqid.h"

/* In the order in which files move. Whoever reads several reads them in this order, so that a file
 * on its way is seen in one place or in both, but never in neither. */
enum spool_dir {
	SPOOL_CSR,		/* requests that wait */
	SPOOL_SUPERSEDED,	/* requests replaced by a newer key */
	SPOOL_LSC,		/* certificates to deliver */
	SPOOL_STALE,		/* certificates that can never be delivered */
	SPOOL_INSTALLED,	/* certificates that the phone confirmed */
	SPOOL_DONE,		/* requests that were answered */
	SPOOL_STATES,
	SPOOL_TMP = SPOOL_STATES,
	SPOOL_CA,
	SPOOL_TRUST_CAPF,
	SPOOL_TRUST_CALLMANAGER,
	SPOOL_PHONE,
	SPOOL_TRACE,
	SPOOL_ONLINE,		/* what online CAs were asked; of other names than the six above */
	SPOOL_DIRS
};

#define SPOOL_CONF "capf.conf"	/* in the spool's own directory; made last, so no spool without it */
#define SPOOL_JOURNAL "journal"
#define SPOOL_LOCK ".lock"	/* in phone/ and online/; nothing is in it, see phone_lock and asked_lock */
#define SPOOL_UNKNOWN ".unknown"	/* in phone/: devices without a record, see unknown_devices */
#define SPOOL_FILE_MAX 65536	/* no request, certificate or key is larger */

struct spool {
	char *path;
	int root;
	int dir[SPOOL_DIRS];
	const char *who;	/* the program, for the journal */
	time_t now;
	bool torn;		/* a directory shows names that may not be on the disk */
	struct buf journal;	/* lines not yet written */
	int log, tail;		/* the journal, held open to append them and to read its end; or -1 */
	/* Called for each step of a change of many files, so that somebody may show how far it is; or NULL. */
	void (*step)(void *ctx);
	void *step_ctx;
};

/* Tells whoever wants to know that a step was done. */
void spool_step(const struct spool *);

/* The spool to use without -s: CAPF_SPOOL, or the usual place. */
const char *spool_default(void);
const char *spool_dir_name(enum spool_dir);

/* Opens a spool; who is kept, not copied. ENOENT when there is none. One of an older version may lack online/: its
 * descriptor is -1 then, and spool_each finds nothing there. */
struct spool *spool_open(const char *path, const char *who, time_t now);
/* The same for the directory root of that path, which need not have a capf.conf yet. Takes root, also when it fails. */
struct spool *spool_open_at(const char *path, int root, const char *who, time_t now);
void spool_close(struct spool *);

/* Has this directory requests, rather than certificates? */
bool spool_holds_requests(enum spool_dir);
/* How many of them a directory has, counted by name alone. */
int spool_count(const struct spool *, enum spool_dir, size_t *);
/* Calls each with every file name of a directory but . and ..; stops when it returns non-zero. */
int spool_each(const struct spool *, enum spool_dir, int (*each)(void *ctx, const char *name), void *ctx);
/* The devices that somebody asks for. The files of others cost a look at their names, and no memory. */
struct spool_wanted {
	bool (*device)(void *ctx, const char *device);
	void *ctx;
};
/* Is this file of a device that is wanted? NULL: all are. */
bool spool_wants(const struct spool_wanted *, const char *file);
/* Its requests or certificates, sorted; the caller frees. What does not belong there is skipped. */
int spool_list(const struct spool *, enum spool_dir, struct reqid **, size_t *);
/* The same, of some devices. */
int spool_list_for(const struct spool *, enum spool_dir, const struct spool_wanted *, struct reqid **, size_t *);
/* The names of files that are wanted, sorted. The caller frees each and the list, also when this fails. */
int spool_names(const struct spool *, enum spool_dir, bool (*wanted)(const char *), char ***, size_t *);

/* A whole file; the caller frees. */
int spool_read(const struct spool *, enum spool_dir, const char *name, unsigned char **, size_t *);
/* The same for a request that waited: it may move while we work, then it is found where it went. */
int spool_read_request(const struct spool *, const struct reqid *, unsigned char **, size_t *);
/* Is there such a file? 1, 0, or -1 when that cannot be told. */
int spool_has(const struct spool *, enum spool_dir, const struct reqid *, enum reqid_kind);
/* Is it a plain file? Also true for a file that does not exist. */
bool spool_is_file(const struct spool *, enum spool_dir, const char *name);

int spool_remove(struct spool *, enum spool_dir, const char *name);
/* Moves a request or certificate from one state to another. ENOENT when somebody was quicker. */
int spool_move(struct spool *, const struct reqid *, enum reqid_kind, enum spool_dir from, enum spool_dir to);
/* Makes what was moved into or removed from a directory durable, by whomever. */
int spool_sync(struct spool *, enum spool_dir);
/* The same for all whose bits (1 << SPOOL_...) are set. */
int spool_sync_all(struct spool *, unsigned dirs);
/* ENOSPC unless there is room for so many more files and bytes. */
int spool_room(const struct spool *, size_t files, size_t bytes);

#endif
