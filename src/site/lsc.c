/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>

#include "site/lsc.h"

struct cert *lsc_read(const struct spool *s, enum spool_dir d, const struct reqid *reqid,
    struct reason *why)
{
	char name[REQID_NAME_MAX + 1];
	unsigned char *der;
	struct cert *c;
	size_t len;

	reqid_name(reqid, REQID_DER, name);
	if (spool_read(s, d, name, &der, &len) != 0) {
		reason_errno(why);
		return NULL;
	}
	c = cert_parse(der, len, why);
	free(der);
	errno = c == NULL && why->trouble ? ENOMEM : 0;
	return c;
}

int lsc_not_after(const struct spool *s, enum spool_dir d, const struct reqid *reqid, time_t *t,
    struct reason *why)
{
	struct cert *c = lsc_read(s, d, reqid, why);

	if (c == NULL)
		return -1;
	*t = c->not_after;
	cert_free(c);
	return 0;
}
