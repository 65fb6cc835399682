/* SPDX-License-Identifier: ISC */
/* The elements of a CAPF message as a trace shows them, one line each: what capf-serve(1), Traces, has. The bytes are
 * a stranger's, and an authentication string is not to be found in the text, whatever its message looks like. */
#ifndef TRACE_TEXT_H
#define TRACE_TEXT_H

#include "base/bytes.h"

#define TRACE_TEXT_MAX 8192	/* of one message */
#define TRACE_NAME_MAX 32

/* "AUTH_RESPONSE", "command 77", or "no message". */
void trace_text_name(struct bytes message, char out[TRACE_NAME_MAX]);
/* Appends the lines: printable characters, at most TRACE_TEXT_MAX bytes with the ends of lines. */
void trace_text(struct bytes message, struct buf *out);

#endif
