/* SPDX-License-Identifier: ISC */
/* SHA256SUMS and its signature. The first byte: 0: a signature over a text that we know; 1: a text,
 * which gets the right signature; else names, a line each, whose own manifest must hold. */
#include "archive/manifest.h"
#include "fuzz.h"

static struct cert *signer;
static EVP_PKEY *key;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct bytes pem = fixture("capf.pem");
	struct secret none = {NULL};
	struct reason r;

	(void)argc;
	(void)argv;
	law((signer = cert_parse(pem.p, pem.len, &r)) != NULL);
	law((key = key_load(FUZZ_DATA "/capf.key", &none, &r)) != NULL);
	return 0;
}

/* The text, signed and checked. */
static struct manifest *signed_text(const void *text, size_t len, struct reason *r)
{
	unsigned char *sig;
	size_t sig_len;
	struct manifest *m;

	law(manifest_sign(text, len, signer, key, &sig, &sig_len, r) == 0);
	m = manifest_verify(text, len, sig, sig_len, signer, r);
	/* Dear, so not for every text. */
	if (len % 16 == 0) {
		sig[sig_len - 1] ^= 1;
		law(manifest_verify(text, len, sig, sig_len, signer,
		    &(struct reason){.text = ""}) == NULL);
	}
	free(sig);
	return m;
}

static void signature(struct bytes sig)
{
	static const char text[] =
	    "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  a.csr\n";
	struct reason r = {.text = ""};
	struct manifest *m = manifest_verify(text, sizeof text - 1, sig.p, sig.len, signer, &r);

	law((m == NULL) == (r.text[0] != '\0'));
	if (m != NULL)
		law(manifest_check(m, "a.csr", "one", 3, &r) == 0 && manifest_missing(m) == NULL);
	manifest_free(m);
}

static void any_text(struct bytes text)
{
	struct reason r = {.text = ""};
	struct manifest *m = signed_text(text.p, text.len, &r);
	const char *name;
	size_t lines = 0;

	for (size_t i = 0; i < text.len; i++)
		lines += text.p[i] == '\n';
	if (m == NULL) {
		law(r.text[0] != '\0');
		return;
	}
	law(text.len == 0 || text.p[text.len - 1] == '\n');
	for (; (name = manifest_missing(m)) != NULL; lines--) {
		law(lines > 0 && *name != '\0');
		/* The sum is somebody else's; but from now on the name has been met. */
		manifest_check(m, name, "\0", 1, &r);
	}
	law(lines == 0);
	manifest_free(m);
}

static void names(struct bytes in)
{
	struct manifest *m = manifest_new(), *read;
	struct reason r = {.text = ""};
	char *list = text_of(in.p, in.len), *rest = list, *name;
	const char *text;
	size_t len;

	law(m != NULL);
	while ((name = strsep(&rest, "\n")) != NULL)
		law((manifest_add(m, name, name, strlen(name)) == 0) == (*name != '\0'));
	law((text = manifest_text(m, &len)) != NULL);
	read = signed_text(text, len, &r);
	/* A name that comes twice is the one thing that can be wrong. */
	law(read != NULL || strstr(r.text, "twice") != NULL);
	if (read != NULL && list != NULL) {
		memcpy(list, in.p, in.len);
		for (rest = list; (name = strsep(&rest, "\n")) != NULL;)
			if (*name != '\0') {
				law(manifest_check(read, name, name, strlen(name), &r) == 0);
				law(manifest_check(read, name, name, strlen(name), &r) != 0);
				law(manifest_check(read, name, "", 0, &r) != 0);
			}
		law(manifest_missing(read) == NULL);
		law(manifest_check(read, "no such name", "", 0, &r) != 0);
	}
	manifest_free(read);
	manifest_free(m);
	free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	uint8_t how = take(&in);
	unsigned char *own = copy(in.p, in.len);

	in.p = own;
	if (how == 0)
		signature(in);
	else if (how == 1)
		any_text(in);
	else
		names(in);
	free(own);
	return 0;
}
