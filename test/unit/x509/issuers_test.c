/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>

#include <string.h>

#include "../mint.h"
#include "../tap.h"
#include "x509/issuers.h"
#include "x509/key.h"

#define NOW 1800000000	/* 2027-01-15T08:00:00Z */
#define YEAR 31536000

static const char *const ca[] = {"basicConstraints=critical,CA:TRUE", "keyUsage=critical,digitalSignature,keyCertSign",
    NULL};
static const char *const leaf[] = {"keyUsage=critical,digitalSignature", NULL};

static struct issuers set;
static struct reason why;
static EVP_PKEY *key[4];

static struct cert *make(const char *name, int own, const struct cert *issuer, int by, time_t from, const char *const *ext)
{
	return mint(name, key[own], issuer, key[by], EVP_sha256(), from, from + YEAR, ext);
}

static const struct cert *add(const char *name, int own, const struct cert *issuer, int by, time_t from)
{
	struct cert *c = make(name, own, issuer, by, from, ca);

	must(issuers_add(&set, c, &why) == 0, "a CA");
	cert_free(c);
	return set.cert[set.n - 1];
}

/* Its chain, and no error of OpenSSL is left behind. */
static int chain(const struct cert *c, time_t now, const struct cert *out[ISSUERS_CHAIN_MAX])
{
	int n;

	why.text[0] = '\0';
	n = issuers_chain(&set, c, now, out, &why);
	if (ERR_peek_error() != 0)
		ok(false, "an error of OpenSSL stays");
	return n;
}

int main(void)
{
	const struct cert *out[ISSUERS_CHAIN_MAX], *root, *mid, *old, *young, *at[ISSUERS_CHAIN_MAX + 2];
	struct cert *phone, *other;

	for (int i = 0; i < 4; i++)
		must((key[i] = key_make("ec:256", &why)) != NULL, "a key");
	root = add("Root", 0, NULL, 0, NOW - 99);
	mid = add("Mid", 1, root, 0, NOW - 99);
	phone = make("SEP1", 2, mid, 1, NOW - 99, leaf);
	ok(chain(phone, NOW, out) == 2 && out[0] == mid && out[1] == root, "the CA that issued it first, the root last");
	ok(chain(root, NOW, out) == 0, "a root has nobody above it");

	ok(issuers_add(&set, root, &why) == 0 && issuers_add(&set, phone, &why) == 0 && set.n == 2,
	    "none twice, and nobody who is no CA");

	other = make("SEP2", 2, root, 3, NOW - 99, leaf);
	ok(chain(other, NOW, out) == -1 && strstr(why.text, "lacks the CA CN=Root") != NULL && !why.trouble,
	    "the right name, and the signature of another key: %s", why.text);
	cert_free(other);

	/* Renewed, with the same key. */
	old = mid;
	young = add("Mid", 1, root, 0, NOW - 9);
	ok(chain(phone, NOW, out) == 2 && out[0] == young, "of two that are valid the younger");
	ok(chain(phone, NOW - 50, out) == 2 && out[0] == old, "before that one begins, the older");
	ok(chain(phone, NOW + 2 * YEAR, out) == 2 && out[0] == young, "when both are over, the younger");
	cert_free(phone);
	issuers_free(&set);

	mid = add("Mid", 1, (phone = make("Root", 0, NULL, 0, NOW - 99, ca)), 0, NOW - 99);
	cert_free(phone);
	phone = make("SEP1", 2, mid, 1, NOW - 99, leaf);
	ok(chain(phone, NOW, out) == -1 && strstr(why.text, "lacks the CA CN=Root") != NULL, "a chain without its root");
	cert_free(phone);
	issuers_free(&set);

	/* A and B have signed each other. */
	other = make("B", 1, NULL, 1, NOW - 99, ca);
	root = add("A", 0, other, 1, NOW - 99);
	add("B", 1, root, 0, NOW - 99);
	phone = make("SEP1", 2, root, 0, NOW - 99, leaf);
	ok(chain(phone, NOW, out) == -1 && strstr(why.text, "more than") != NULL, "a circle: %s", why.text);
	cert_free(other);
	cert_free(phone);
	issuers_free(&set);

	for (int i = 0; i < ISSUERS_CHAIN_MAX + 1; i++) {
		char name[16];

		snprintf(name, sizeof name, "CA %d", i);
		at[i] = add(name, 0, i > 0 ? at[i - 1] : NULL, 0, NOW - 99);
	}
	phone = make("SEP1", 2, at[ISSUERS_CHAIN_MAX - 1], 0, NOW - 99, leaf);
	ok(chain(phone, NOW, out) == ISSUERS_CHAIN_MAX, "as long as may be");
	cert_free(phone);
	phone = make("SEP1", 2, at[ISSUERS_CHAIN_MAX], 0, NOW - 99, leaf);
	ok(chain(phone, NOW, out) == -1, "longer than may be");
	cert_free(phone);
	issuers_free(&set);
	for (int i = 0; i < 4; i++)
		EVP_PKEY_free(key[i]);
	return tap_done();
}
