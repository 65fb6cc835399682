/* SPDX-License-Identifier: ISC */
/* What --help and --list-options print of a table of options, on stdout. Both add the options that every program has. */
#ifndef OPTIONS_HELP_H
#define OPTIONS_HELP_H

#include "cli/options.h"

/* All of --help: usage, purpose, and a line an option, with its limits and its default, which has to be in `into` still. */
void options_help(const struct option_spec *);
void options_list(const struct option_spec *);

#endif
