/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "spool/stem.h"
#include "tap.h"

#define KEY "07f2b1724dcf779bcef06e70c425ce8923f465a1ca5d4ba2504e7b46c744cc41"
#define STEM "SEP001122334455+20261121T011049Z+" KEY

static void legal(const char *name)
{
	char again[STEM_NAME_MAX + 1];
	struct stem s;

	ok(stem_parse(name, &s) && stem_legal(name, s.kind != STEM_DER) &&
	    !stem_legal(name, s.kind == STEM_DER), "%s", name);
	stem_name(&s, (enum stem_kind)s.kind, again);
	ok(strcmp(name, again) == 0, "and back");
}

static void illegal(const char *name)
{
	struct stem s;

	ok(!stem_legal(name, true) && !stem_legal(name, false) && !stem_parse(name, &s), "%s", name);
}

int main(void)
{
	struct stem a, b;

	legal(STEM ".csr");
	legal(STEM ".ra");
	legal(STEM ".der");
	legal("abcdefghijabcdefghijabcdefghijabcdefghijabcdefghij+20261121T011049Z+" KEY ".csr");
	illegal(STEM);
	illegal(STEM ".pem");
	illegal(STEM ".csr~");
	illegal("+20261121T011049Z+" KEY ".csr");
	illegal(".x+20261121T011049Z+" KEY ".csr");
	illegal("SEP001122334455+20261121-011049Z+" KEY ".csr");
	illegal("SEP001122334455+20261121T011049Z-" KEY ".csr");
	illegal("SEP001122334455+20261121T011049Z+" KEY "0.csr");
	illegal("SEP001122334455+20261121T011049Z+G" "7f2b1724dcf779bcef06e70c425ce8923f465a1ca5d4ba2504e7b46c744cc41.csr");
	illegal("SEP001122334455+20261121T011049Z+" "07F2B1724DCF779BCEF06E70C425CE8923F465A1CA5D4BA2504E7B46C744CC41.csr");
	illegal("SEP001122334455++" KEY ".csr");
	illegal("journal");
	illegal("");

	stem_parse(STEM ".csr", &a);
	stem_parse(STEM ".der", &b);
	ok(stem_compare(&a, &b) == 0, "a request and its certificate share a stem");
	strcpy(b.stamp, "20261121T011050Z");
	ok(stem_newer(&b, &a) && !stem_newer(&a, &b) && stem_compare(&a, &b) < 0, "a second later is newer");
	b = a;
	b.spki[0]++;
	ok(stem_newer(&b, &a) != stem_newer(&a, &b), "in one second one of two is newer");
	ok(!stem_newer(&a, &a), "nothing is newer than itself");
	return tap_done();
}
