/* SPDX-License-Identifier: ISC */
/* What EST (RFC 7030, RFC 8951) puts into HTTP: addresses, base64, and answers with certificates. Pure: no socket. */
#ifndef EST_MESSAGE_H
#define EST_MESSAGE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/reason.h"

#define EST_URL_MAX 1023

/* The address of an operation, such as "cacerts": ".well-known/est" is added to url when it is not there, and the label
 * when it is not "". -1 with a reason. */
int est_url(const char *url, const char *label, const char *operation, char out[EST_URL_MAX + 1], struct reason *);

/* Appends base64 in lines of 64 characters, each with its newline: libest refuses one long line. */
void est_encode(struct bytes der, struct buf *out);
/* Appends what base64 stands for: in lines of any length or in one, with PEM's first and last line or without. What is
 * DER or BER already is appended as it is. -1 with a reason. */
int est_decode(struct bytes text, struct buf *out, struct reason *);

enum est_kind {
	EST_CERTIFICATES,	/* here they are */
	EST_FAILED,		/* a CMC server says why not */
	EST_PENDING,		/* a CMC server has yet to decide */
	EST_UNREADABLE,
};

/* Reads the body of an answer: base64 of a list of certificates, or of a CMC response. Appends the certificates, DER,
 * one behind the other. All but EST_CERTIFICATES come with a reason, printable. */
enum est_kind est_read(struct bytes body, struct buf *certificates, struct reason *);

/* Appends the attributes that a server wants in requests (csrattrs, RFC 7030 4.5.2) as OIDs with spaces between them,
 * or "none". -1 with a reason. */
int est_attributes(struct bytes body, struct buf *out, struct reason *);

#endif
