/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "spool/reqid.h"
#include "../tap.h"

#define KEY "07f2b1724dcf779bcef06e70c425ce8923f465a1ca5d4ba2504e7b46c744cc41"
#define REQUEST "SEP001122334455+20261121T011049Z+" KEY

static void legal(const char *name)
{
	char again[REQID_NAME_MAX + 1];
	struct reqid s;

	ok(reqid_parse(name, &s) && reqid_legal(name, s.kind != REQID_DER) &&
	    !reqid_legal(name, s.kind == REQID_DER), "%s", name);
	reqid_name(&s, (enum reqid_kind)s.kind, again);
	ok(strcmp(name, again) == 0, "and back");
}

static void illegal(const char *name)
{
	struct reqid s;

	ok(!reqid_legal(name, true) && !reqid_legal(name, false) && !reqid_parse(name, &s), "%s", name);
}

int main(void)
{
	struct reqid a, b;

	legal(REQUEST ".csr");
	legal(REQUEST ".ra");
	legal(REQUEST ".der");
	legal("abcdefghijabcdefghijabcdefghijabcdefghijabcdefghij+20261121T011049Z+" KEY ".csr");
	illegal(REQUEST);
	illegal(REQUEST ".pem");
	illegal(REQUEST ".csr~");
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

	reqid_parse(REQUEST ".csr", &a);
	reqid_parse(REQUEST ".der", &b);
	ok(reqid_compare(&a, &b) == 0, "a request and its certificate have one name, but for its end");
	strcpy(b.stamp, "20261121T011050Z");
	ok(reqid_newer(&b, &a) && !reqid_newer(&a, &b) && reqid_compare(&a, &b) < 0, "a second later is newer");
	b = a;
	b.spki[0]++;
	ok(reqid_newer(&b, &a) != reqid_newer(&a, &b), "in one second one of two is newer");
	ok(!reqid_newer(&a, &a), "nothing is newer than itself");
	return tap_done();
}
