/* SPDX-License-Identifier: ISC */
/* What the trials of capf-probe(1) come to: the settings to use, or what to try next. */
#ifndef ADVICE_H
#define ADVICE_H

#include "base/bytes.h"
#include "probe/trial.h"

/* The first layout that works; 0: none. */
unsigned advice_layout(const struct trials *);
/* Lines for capf.conf, in text: of what was tried, what is known now. */
void advice_settings(const struct trials *, struct buf *text);
/* When no layout works: "none worked", and what to try next. "" when no layout was tried. */
#define ADVICE_NEXT 400
void advice_next(const struct trials *, char out[ADVICE_NEXT]);

#endif
