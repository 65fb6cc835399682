/* SPDX-License-Identifier: ISC */
/* A worker's side of its records process. Each function waits for the answer, as it would for the disk. */
#ifndef RECORDS_LINK_H
#define RECORDS_LINK_H

#include "server/records_packet.h"

struct registry;
struct client;
struct records_link;

/* Takes the socket, which is closed in any case. NULL when out of memory. */
struct records_link *records_open(int fd);
/* Waits until the process has written what it keeps back. */
void records_close(struct records_link *);
/* To be watched: between requests it can be read when the process has ended, which is to be told then. */
int records_fd(const struct records_link *);
void records_ended(struct records_link *);
/* Has it ended? The worker cannot go on. */
bool records_broken(const struct records_link *);
/* Is there something for a commit; something for one that comes anyway? */
bool records_pending(const struct records_link *);
size_t records_files(const struct records_link *);
bool records_late(const struct records_link *);

/* A phone's record, without its string, and its state. 1; 0 when there is no such phone; -1 with a reason. */
int records_look(struct registry *, const char *device, struct phone *, struct phone_state *, struct reason *);
/* A string is counted, and compared once that is on the disk. 0; -1 with the reason when it gets no comparison; -2
 * with the reason when it cannot be counted now. */
int records_guess(struct client *, struct bytes password, struct reason *);
/* What became of the order of this visit, which is held until it is on the disk. False, for those who end with it:
 * there is no answer. */
bool records_change(struct client *, const struct outcome_change *);
/* Why a visit to a pending order ended before the phone was authenticated. */
void records_note(struct registry *, const char *device, unsigned version, const char *why);
/* A device without a record connected from this address. */
void records_unknown(struct registry *, const char *device, const char *address);
/* Tries again what waits for locks of other programs. */
void records_retry(struct registry *);

/* The commit: begin_stage asks for what staged waits for, so that both processes write at the same time; files: of ours. publish calls
 * each with the number of a visit whose string was compared. -1 with errno: nobody may be told of anything. */
int records_begin_stage(struct registry *, size_t files);
int records_staged(struct registry *);
int records_publish(struct registry *, void (*each)(void *ctx, uint64_t number, enum records_guess), void *ctx);
void records_abandon(struct registry *);

#endif
