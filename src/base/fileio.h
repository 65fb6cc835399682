/* SPDX-License-Identifier: ISC */
/* Reads and writes of whole files, under a limit, for all programs. All functions here return -1 with errno, and print
 * nothing. */
#ifndef FILEIO_H
#define FILEIO_H

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* Up to len bytes, fewer only at the end of the file. */
ssize_t fileio_read_full(int fd, void *, size_t len);
int fileio_write_all(int fd, const void *, size_t len);

/* Everything up to the end; EFBIG when there is more than cap. The caller frees *out; a NUL follows
 * the last byte and is not counted. */
int fileio_read_all(int fd, size_t cap, unsigned char **out, size_t *len);
/* The same for a regular file in a directory, no link followed; EINVAL when it is something else. */
int fileio_slurp(int dirfd, const char *name, size_t cap, unsigned char **out, size_t *len);

/* Appends whole lines to a file that is open for appending; tail is the same file, open for reading. A full disk may
 * have cut off the last line of an earlier run: then that one is ended first. -1 with errno; done is how much of it is
 * there in whole lines. */
int fileio_append_lines(int fd, int tail, const void *, size_t len, size_t *done);

/* Opens a file, or duplicates stdin for "-". */
int fileio_open_input(const char *path);

/* Closes a file after an error, whose errno stays. Returns -1. */
int fileio_give_up(int fd);

/* The next line of a stream without its end, '\n' or, when zero, NUL. NULL at the end or on error
 * (ferror tells). *line and *cap as for getline; the caller frees *line. */
char *fileio_line(FILE *, int zero, char **line, size_t *cap);

#endif
