/* SPDX-License-Identifier: ISC */
/* The spool on disk. Apart from outfile this is the only caller of link, rename, unlink and fsync. It
 * knows names and bytes, no X.509. Everything returns -1 or NULL with errno and is silent. */
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
	SPOOL_DIRS
};

#define SPOOL_CONF "capf.conf"	/* in the spool's own directory; made last, so no spool without it */
#define SPOOL_JOURNAL "journal"
#define SPOOL_LOCK ".lock"	/* in phone/; nothing is in it, see lock */
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
};

/* What -s did not say: CAPF_SPOOL, or the usual place. */
const char *spool_default(void);
const char *spool_dir_name(enum spool_dir);

/* Opens a spool; who is kept, not copied. ENOENT when there is none. */
struct spool *spool_open(const char *path, const char *who, time_t now);
void spool_close(struct spool *);
/* Is this a spool without one of its directories? Backups like to leave out empty ones. 1, 0, or -1 with
 * errno. */
int spool_lacks(const char *path, enum spool_dir *);
/* Makes the directories that a spool lacks. */
int spool_mend(const char *path);
/* Makes the directories of a new spool, or goes on where an earlier run was cut off, and opens it.
 * EEXIST when it is complete already, ENOTEMPTY when something else is there. */
struct spool *spool_create(const char *path, const char *who, time_t now);

/* Has this directory requests, rather than certificates? */
bool spool_holds_requests(enum spool_dir);
/* How many of them a directory has. */
int spool_count(const struct spool *, enum spool_dir, size_t *);
/* Calls each with every file name of a directory but . and ..; stops when it returns non-zero. */
int spool_each(const struct spool *, enum spool_dir, int (*each)(void *ctx, const char *name),
    void *ctx);
/* Their stems, sorted; the caller frees. What does not belong there is skipped. */
int spool_list(const struct spool *, enum spool_dir, struct reqid **, size_t *);

/* A whole file; the caller frees. */
int spool_read(const struct spool *, enum spool_dir, const char *name, unsigned char **, size_t *);
/* Is there such a file? 1, 0, or -1 when that cannot be told. */
int spool_has(const struct spool *, enum spool_dir, const struct reqid *, enum reqid_kind);

/* Is it a plain file? Also true for one that is gone: that is another matter. */
bool spool_is_file(const struct spool *, enum spool_dir, const char *name);

/* Writes one file, durable when it returns. Without replace, EEXIST when there is one already. */
int spool_put(struct spool *, enum spool_dir, const char *name, const void *, size_t, bool replace);
/* The same for a file in the spool's own directory. */
int spool_put_top(struct spool *, const char *name, const void *, size_t);
int spool_remove(struct spool *, enum spool_dir, const char *name);
/* Moves a request or certificate from one state to another. ENOENT when somebody was quicker. */
int spool_move(struct spool *, const struct reqid *, enum reqid_kind, enum spool_dir from,
    enum spool_dir to);
/* Makes what was moved into or removed from a directory durable, by whomever. */
int spool_sync(struct spool *, enum spool_dir);
/* The same for all whose bits (1 << SPOOL_...) are set. */
int spool_sync_all(struct spool *, unsigned dirs);
/* ENOSPC unless there is room for so many more files and bytes. */
int spool_room(const struct spool *, size_t files, size_t bytes);

/* A line for the journal, which spool_log_flush writes: what happened to whom. */
void spool_log(struct spool *, const char *event, const struct reqid *);
void spool_log_text(struct spool *, const char *event, const char *text);
int spool_log_flush(struct spool *);
/* Opens the journal for appending, makes it when there is none, and the same file in tail, for reading: who holds
 * these two cannot change what is there. The caller closes both. -1 with errno. */
int spool_log_open(const struct spool *, int *tail);
/* From now on lines go there, whatever its name is by then; takes the descriptors. Without this the journal is
 * opened for each flush, so that one that was renamed is left at once. */
void spool_log_hold(struct spool *, int fd, int tail);

/* A new file in tmp/ that has no name, for reading and writing: it is gone when it is closed. The caller closes. */
int spool_scratch(struct spool *);

/* A folder in tmp/ that is locked while its maker lives. */
struct spool_stage {
	int fd;
	char name[17];
	bool by_link;		/* the file system has no RENAME_NOREPLACE */
};

int spool_stage_open(struct spool *, struct spool_stage *);
int spool_stage_write(struct spool_stage *, const char *name, const void *, size_t);
void spool_stage_remove(struct spool_stage *, const char *name);
/* Makes these files durable, all at once. */
int spool_stage_sync(struct spool_stage *, const char *const *names, size_t n);
/* Gives a staged file its place; EEXIST when it is taken. */
int spool_stage_publish(struct spool *, struct spool_stage *, const char *name, enum spool_dir,
    const char *as);
/* The same, whatever was there. */
int spool_stage_replace(struct spool *, struct spool_stage *, const char *name, enum spool_dir,
    const char *as);
int spool_stage_read(struct spool_stage *, const char *name, unsigned char **, size_t *);
/* Removes it with what is still in it. */
void spool_stage_close(struct spool *, struct spool_stage *);
/* Removes stages whose makers died; how many there were in *n. */
int spool_sweep(struct spool *, size_t *n);

#endif
