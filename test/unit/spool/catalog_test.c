/* SPDX-License-Identifier: ISC */
/* What a server knows of its devices, against a plain list of the same. */
#include <stdint.h>
#include <string.h>

#include "spool/catalog.h"
#include "../tap.h"

#define DEVICES 700
#define KEYS 40

static struct reqid reqid_of(unsigned device, unsigned key)
{
	struct reqid r = {.kind = (unsigned char)(key % 2 == 0 ? REQID_CSR : REQID_RA)};

	snprintf(r.device, sizeof r.device, "SEP%0*u", 1 + (int)(device % 40), device);
	snprintf(r.stamp, sizeof r.stamp, "20261121T%06uZ", key / 2 % 1000000);
	memset(r.spki, (int)key, sizeof r.spki);
	return r;
}

/* In which directories test_many puts it, a bit for each. */
static unsigned dirs_of(unsigned device, unsigned key)
{
	return (device * 7 + key * 11) % 64;
}

static bool same(const struct catalog *c, unsigned device)
{
	unsigned seen[KEYS] = {0}, wanted = 0;
	struct reqid any = reqid_of(device, 0);
	struct catalog_entry e;
	uint32_t at = 0, n = 0;

	while (catalog_next(c, any.device, &at, &e)) {
		struct reqid r = reqid_of(device, e.reqid.spki[0]);
		unsigned dirs = dirs_of(device, e.reqid.spki[0]);

		/* Of a certificate alone nobody knows the kind of its request. */
		if ((dirs & (1u << SPOOL_CSR | 1u << SPOOL_SUPERSEDED | 1u << SPOOL_DONE)) == 0)
			r.kind = REQID_DER;
		if (reqid_compare(&e.reqid, &r) != 0 || e.reqid.kind != r.kind || e.dirs != dirs || seen[r.spki[0]]++ != 0)
			return false;
		n++;
	}
	for (unsigned key = 0; key < KEYS; key++)
		wanted += dirs_of(device, key) != 0;
	return n == wanted;
}

static void test_many(void)
{
	struct catalog *c = catalog_new();
	char device[DEVICE_MAX + 1];
	bool good = true, has = true;
	uint32_t at = 0;
	unsigned n = 0;

	must(c != NULL, "a catalog");
	for (int d = 0; d < SPOOL_STATES; d++)
		for (unsigned i = 0; i < DEVICES; i++)
			for (unsigned key = 0; key < KEYS; key++) {
				struct reqid r = reqid_of(i, key);

				if (!spool_holds_requests((enum spool_dir)d))
					r.kind = REQID_DER;
				/* Twice is once. */
				for (int twice = 0; twice < 2 && (dirs_of(i, key) >> d & 1) != 0; twice++)
					good = good && catalog_put(c, &r, (enum spool_dir)d) > 0;
			}
	ok(good, "%d devices with up to %d keys", DEVICES, KEYS);
	for (unsigned i = 0; i < DEVICES; i++) {
		good = good && same(c, i);
		for (unsigned key = 0; key < KEYS; key++)
			for (int d = 0; d < SPOOL_STATES; d++) {
				struct reqid r = reqid_of(i, key);

				if (!spool_holds_requests((enum spool_dir)d))
					r.kind = REQID_DER;
				has = has && catalog_has(c, &r, (enum spool_dir)d) == ((dirs_of(i, key) >> d & 1) != 0);
			}
	}
	ok(good, "each entry is there once, as it was seen");
	ok(has, "and is found by its name");
	while (catalog_next_device(c, &at, device))
		n++;
	ok(n == DEVICES, "so is each device");
	at = 0;
	ok(!catalog_next(c, "SEP", &at, &(struct catalog_entry){.dirs = 0}), "another device has nothing");
	catalog_free(c);
}

static void test_clear(void)
{
	struct catalog *c = catalog_new();
	struct reqid old = reqid_of(1, 2), new = reqid_of(1, 4), more;
	struct catalog_entry e;
	uint32_t at = 0;

	must(c != NULL && catalog_put(c, &old, SPOOL_CSR) == 1 && catalog_put(c, &old, SPOOL_DONE) == 1 &&
	    catalog_put(c, &new, SPOOL_CSR) == 2, "two keys");
	catalog_clear(c, &old, 1u << SPOOL_CSR);
	ok(!catalog_has(c, &old, SPOOL_CSR) && catalog_has(c, &old, SPOOL_DONE), "it is no longer in a directory");
	catalog_clear(c, &new, 1u << SPOOL_CSR);
	ok(catalog_next(c, old.device, &at, &e) && memcmp(e.reqid.spki, new.spki, sizeof new.spki) == 0 && e.dirs == 0,
	    "the newest stays when it is nowhere, for its time");
	catalog_clear(c, &old, 1u << SPOOL_DONE);
	ok(!catalog_has(c, &old, SPOOL_DONE), "an older one goes");
	for (unsigned key = 6; key < KEYS; key += 2) {
		more = reqid_of(1, key);
		must(catalog_put(c, &more, SPOOL_CSR) > 0, "memory");
		catalog_clear(c, &more, 1u << SPOOL_DONE);
	}
	ok(catalog_put(c, &more, SPOOL_CSR) == (KEYS - 6) / 2 + 1, "places are used again, and none twice");
	catalog_free(c);
}

int main(void)
{
	test_many();
	test_clear();
	return tap_done();
}
