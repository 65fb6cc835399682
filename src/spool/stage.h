/* SPDX-License-Identifier: ISC */
/* Stages: folders in tmp/ where new files of the spool are written and made durable before they get their places.
 * A stage is locked while its maker lives; capf-spool(5) has the order of steps. -1 with errno, silent. */
#ifndef STAGE_H
#define STAGE_H

#include "spool/spool.h"

struct stage {
	int fd;
	char name[17];
	bool by_link;		/* the file system has no RENAME_NOREPLACE */
};

int stage_open(struct spool *, struct stage *);
int stage_write(struct stage *, const char *name, const void *, size_t);
int stage_read(struct stage *, const char *name, unsigned char **, size_t *);
void stage_remove(struct stage *, const char *name);
/* Makes these files durable, all at once. */
int stage_sync(struct stage *, const char *const *names, size_t n);
/* The same when another process does so with that many more, at the same time: together they may be many. */
int stage_sync_beside(struct stage *, const char *const *names, size_t n, size_t beside);
/* Gives a staged file its place in the directory "to"; EEXIST when it is taken. The caller makes that durable. */
int stage_publish(struct stage *, const char *name, int to, const char *as);
/* The same, whatever was there. */
int stage_replace(struct stage *, const char *name, int to, const char *as);
/* Removes it with what is still in it. */
void stage_close(struct spool *, struct stage *);

/* Writes one file through a stage of its own, durable when it returns. Without replace, EEXIST when there is one
 * already. */
int stage_put(struct spool *, enum spool_dir, const char *name, const void *, size_t, bool replace);
/* The same for a file in the spool's own directory, which it replaces. */
int stage_put_top(struct spool *, const char *name, const void *, size_t);
/* A new file in tmp/ that has no name, for reading and writing: it is gone when it is closed. The caller closes. */
int stage_scratch(struct spool *);

/* From now on stages are made in this one, the descriptor of another process's, instead of tmp/: for a process that
 * shall not reach the stages of others. Takes the descriptor. */
void stage_within(struct spool *, int stage);
/* Removes stages whose makers died; how many there were in *n. */
int stage_sweep(struct spool *, size_t *n);

#endif
