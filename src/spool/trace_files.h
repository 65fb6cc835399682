/* SPDX-License-Identifier: ISC */
/* The folder session/ of a spool, capf-spool(5): traces of sessions, a file each, and two files for sessions whose phone
 * was not authenticated. It has bounds of its own, and is there only once somebody has asked for traces. Nothing here
 * is made durable. -1 with errno, silent. */
#ifndef TRACE_FILES_H
#define TRACE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/device.h"
#include "base/utc.h"

#define TRACE_FILES_DIR "session"
#define TRACE_FILE_MAX 65536	/* bytes of one session */
#define TRACE_FILES_A_DEVICE 10	/* its newest ones */
#define TRACE_STRANGERS_MAX (1 << 20)	/* bytes of each of the two files */
#define TRACE_BLOCK 4096	/* a file counts in whole ones */

struct spool;
struct trace_files;

/* A session of one of several writers, by its number there. */
struct trace_key {
	unsigned writer;
	uint64_t number;
	const char *device;
};

/* Opens the folder, makes it when there is none, and counts what is there. most: bytes of all sessions. NULL with errno. */
struct trace_files *trace_files_open(const struct spool *, uint64_t most);
void trace_files_close(struct trace_files *);
/* For the sandbox. */
int trace_files_fd(const struct trace_files *);
/* Another bound; what is over it goes, those first that were written to least recently. */
void trace_files_limit(struct trace_files *, uint64_t most);

/* A new file for this session, with a text. */
int trace_files_begin(struct trace_files *, const struct trace_key *, time_t now, const void *, size_t);
/* Adds to it. ENOENT when it has none, EFBIG when it is full. */
int trace_files_add(struct trace_files *, const struct trace_key *, const void *, size_t);
/* The session is over. */
void trace_files_end(struct trace_files *, const struct trace_key *);
/* All sessions of a writer are. */
void trace_files_end_all(struct trace_files *, unsigned writer);
/* Adds to the file of those who were not authenticated. */
int trace_files_stranger(struct trace_files *, const void *, size_t);

/* Is this the name of a session's file? Its time, if so. */
bool trace_file_parse(const char *name, char stamp[UTC_STAMP + 1]);
/* Removes files of sessions that began before; adds how many to *n. */
int trace_files_expire(const struct spool *, time_t before, size_t *n);
/* Calls tell with the path of each file that does not belong there, and why. */
int trace_files_check(const struct spool *, void (*tell)(void *ctx, const char *path, const char *what), void *ctx);

#endif
