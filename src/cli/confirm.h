/* SPDX-License-Identifier: ISC */
/* The question before something is done to all phones; for main() only. */
#ifndef CONFIRM_H
#define CONFIRM_H

#include <stdbool.h>

/* Goes on when yes, the option --yes, was given, or when somebody at the terminal says so. Without a terminal on stdin
 * and stderr nobody can be asked, and the program ends with 100; when the answer is no, with 1. what is about to
 * happen is a sentence without its full stop. */
void confirm(bool yes, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
