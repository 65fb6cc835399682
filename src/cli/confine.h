/* SPDX-License-Identifier: ISC */
/* Confines a program once its options are read and its files are open, capf(7); for main() only. */
#ifndef CONFINE_H
#define CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "process/sandbox.h"

/* Warns in one line about what this kernel lacks for it; when it is required, ends with 100: another try finds the same
 * kernel. options_parse calls it for --require-sandbox. */
void confine_look(bool required);

/* Leaves these paths and no others. Ends with 111 when the kernel has it and it does not work. */
void confine_to(enum sandbox_profile, const struct sandbox_path *, size_t);
/* The same for what lies below one open directory, a spool, and for files that are read: a reader may read
 * there, a writer change all. */
void confine_below(enum sandbox_profile, int dirfd, const char *const *file, size_t n);

/* The same for a program that writes no more than this file, by outfile, NULL or "-" for stdout, and reads
 * what is below dirfd, -1 for none. */
void confine_beside(const char *path, int dirfd);

/* The same for a program that changes what is below dirfd, a spool, -1 for none, and writes this file by outfile. */
void confine_below_and_beside(int dirfd, const char *path);

/* The same for a program that sends or fetches by transfer, with rights to what is below dirfd. What libc
 * and libcurl want of names and certificates can be read, nothing else be changed. more: it will start
 * processes and confine itself again. */
void confine_online(unsigned rights, int dirfd, bool more);

/* The same for a program that starts processes which speak with other hosts, as submit/clerk.h has them, and that writes
 * no more than this file by outfile, as above: besides these paths what libc and libcurl want. */
void confine_asking(const char *output, const struct sandbox_path *, size_t);

/* The same for a program that signs with a key in a token: the token's library needs its files, a socket to its daemon,
 * threads. It may change what is below dirfd, a spool, also its directories; -1 for none. */
void confine_with_token(int dirfd);

#endif
