/* SPDX-License-Identifier: ISC */
/* Trust lists of phones. What can be read is written again as the same bytes, and what is signed is the same without one
 * element; whatever is in it, ctl_check comes to an end, and a change of one byte does not pass. */
#include "fuzz.h"
#include "x509/ctl.h"
#include "x509/ctl_check.h"

#define NOW ((time_t)1800000000)	/* January 2027, when everything in data/ is valid */

static void count(void *ctx, const struct ctl_fault *fault)
{
	law(ends(fault->why.text, sizeof fault->why.text) && fault->why.text[0] != '\0' && !fault->why.trouble);
	++*(size_t *)ctx;
}

/* What is wrong with it; -1 when that cannot be told. */
static int faults(const struct ctl *c)
{
	struct reason why = {.text = ""};
	size_t n = 0;
	int result = ctl_check(c, NOW, count, &n, &why);

	law(result < 0 ? why.text[0] != '\0' : (result > 0) == (n > 0));
	return result < 0 ? -1 : (int)n;
}

static void signed_part(const struct ctl *c)
{
	struct buf b = {0};

	ctl_put(&b, c, false);
	law(!b.failed && b.len == c->before.len + c->behind.len);
	law(memcmp(b.p, c->before.p, c->before.len) == 0);
	law(memcmp(b.p + c->before.len, c->behind.p, c->behind.len) == 0);
	buf_free(&b);
}

/* A good list is not good any more when a byte is another one, wherever that is. */
static void bend(struct bytes in)
{
	unsigned char *own = copy(in.p, in.len);
	struct reason why;
	struct ctl c;
	size_t at = (size_t)in.p[in.len - 1] * 257 % in.len;

	own[at] ^= 0x10;
	law(ctl_parse(&c, (struct bytes){own, in.len}, &why) != 0 || faults(&c) != 0);
	ctl_free(&c);
	free(own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	struct bytes in = {own, size};
	struct reason why = {.text = ""};
	struct buf again = {0};
	struct ctl c;

	if (ctl_parse(&c, in, &why) != 0) {
		law(why.text[0] != '\0' && ends(why.text, sizeof why.text));
	} else {
		law(why.text[0] == '\0' && c.n <= CTL_RECORDS_MAX && ctl_fits(&c));
		ctl_put(&again, &c, true);
		law(!again.failed && same(in, (struct bytes){again.p, again.len}));
		signed_part(&c);
		if (faults(&c) == 0) {
			law(ctl_signer(&c) != NULL);
			bend(in);
		}
		/* Who has signed it is in it, so a phone that has it takes it again, when it has the certificate. */
		if (ctl_signer(&c) != NULL)
			law(ctl_follows(&c, &c) == (ctl_value(ctl_signer(&c), CTL_CERT).p != NULL));
	}
	buf_free(&again);
	ctl_free(&c);
	free(own);
	return 0;
}
