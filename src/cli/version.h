/* SPDX-License-Identifier: ISC */
#ifndef VERSION_H
#define VERSION_H

/* The version, and the commit when it is known: "0.1, commit 0123456789ab". */
extern const char capfkit_version[];

#endif
