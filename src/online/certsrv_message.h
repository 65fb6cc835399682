/* SPDX-License-Identifier: ISC */
/* What the web enrolment pages of Microsoft's CA, certsrv, are sent and what they say. Pure: no socket. Microsoft does
 * not document them: what is marked [public] is from programs that others have published and tried, what is marked
 * [unknown] nobody here has seen. Pages are read by their links, the IDs of their elements and their numbers, never by
 * words, so any language will do. */
#ifndef CERTSRV_MESSAGE_H
#define CERTSRV_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/reason.h"

#define CERTSRV_ID_MAX 10	/* digits: a request's number has 32 bits */
#define CERTSRV_SAID_MAX 120	/* characters of what a page says */
#define CERTSRV_URL_MAX 256

enum certsrv_state {
	CERTSRV_UNREADABLE,	/* no page that we know */
	CERTSRV_ISSUED,		/* it links a certificate */
	CERTSRV_PENDING,
	CERTSRV_DENIED,		/* or issued and then revoked */
	CERTSRV_FAILED,		/* a page of errors, about something else than a verdict */
	CERTSRV_NUMBERED,	/* there is one number that may be the request's, and nothing else is known */
};

struct certsrv_page {
	enum certsrv_state state;
	char id[CERTSRV_ID_MAX + 1];	/* the request's number; "" when the page does not say */
	int disposition;		/* CR_DISP_... of certcli.h; -1 when the page does not say */
	uint32_t code;			/* the first HRESULT that is an error; 0: none */
	char said[CERTSRV_SAID_MAX + 1];	/* the CA's own words, printable */
};

/* Is this the number of a request? */
bool certsrv_is_id(const char *);

/* The address that all pages are below, without a '/' at its end: https://HOST/certsrv for https://HOST. -1 with a
 * reason. */
int certsrv_base(const char *url, char out[CERTSRV_URL_MAX + 1], struct reason *);

/* Appends the form that certfnsh.asp takes, for a request that is PEM. template may be "": a CA without templates. */
void certsrv_put_form(struct buf *, struct bytes request, const char *template);

/* Reads what certfnsh.asp answers, or what certnew.cer answers instead of a certificate. */
void certsrv_read_page(struct bytes, struct certsrv_page *);
/* What such an HRESULT means, and what to do; NULL when it is not one of those that a request often meets. */
const char *certsrv_code_text(uint32_t);
/* Was the CA itself not to be reached, so that the request did not arrive? */
bool certsrv_code_unreachable(uint32_t);

/* How often the CA's own certificate was renewed, which certcarc.asp says. False when it does not. */
bool certsrv_renewals(struct bytes page, char out[CERTSRV_ID_MAX + 1]);

/* Appends the DER of the certificate that certnew.cer answers, PEM or DER. -1 with a reason when it is none. */
int certsrv_put_certificate(struct bytes, struct buf *, struct reason *);

#endif
