/* SPDX-License-Identifier: ISC */
#include "cli/version.h"

/* From the Makefile, and only here: nothing else is compiled again for a new commit. */
const char capfkit_version[] = CAPFKIT_VERSION;
