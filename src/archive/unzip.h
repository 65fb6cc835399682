/* SPDX-License-Identifier: ISC */
/* Reads a zip for cert-import, written by any zip and sent by anybody, with the results and under the limits of untar.
 * Every entry's data are whole and right by their checksum; that the entries are all that the directory names, and in
 * its words, is known at UNTAR_END. */
#ifndef UNZIP_H
#define UNZIP_H

#include "archive/untar.h"
#include "base/bytes.h"

struct unzip;

/* All as for untar_open and its kin. */
struct unzip *unzip_open(int fd, const void *head, size_t head_len, bool flat, const struct untar_limits *);
enum untar_result unzip_next(struct unzip *, struct untar_item *, struct reason *);
void unzip_close(struct unzip *);
bool unzip_overfull(int fd, size_t read, const struct untar_limits *, struct reason *);

/* Does a zip begin so? */
bool unzip_looks_like(struct bytes);

#endif
