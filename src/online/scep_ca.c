/* SPDX-License-Identifier: ISC */
#include <openssl/x509v3.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "online/scep_ca.h"
#include "x509/name.h"
#include "x509/openssl_error.h"

#define ENROLMENT_AGENT "1.3.6.1.4.1.311.20.2.1"	/* Certificate Request Agent, in RAs of Microsoft's */
#define CMC_RA "1.3.6.1.5.5.7.3.28"			/* RFC 6402 2.10 */

static bool is_current(X509 *x, time_t now)
{
	return X509_cmp_time(X509_get0_notBefore(x), &now) < 0 && X509_cmp_time(X509_get0_notAfter(x), &now) > 0;
}

static bool is_ca(X509 *x)
{
	return X509_check_ca(x) != 0;
}

static bool is_rsa(X509 *x)
{
	EVP_PKEY *key = X509_get0_pubkey(x);

	return key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
}

/* Does it say that it is an RA's? Any phone may have a certificate of the same CA without that. */
static bool is_ra(X509 *x)
{
	EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	bool found = false;
	char oid[64];

	for (int i = 0; i < sk_ASN1_OBJECT_num(usage) && !found; i++)
		found = OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(usage, i), 1) > 0 &&
		    (strcmp(oid, ENROLMENT_AGENT) == 0 || strcmp(oid, CMC_RA) == 0);
	EXTENDED_KEY_USAGE_free(usage);
	return found;
}

static bool has(STACK_OF(X509) *list, X509 *x)
{
	for (int i = 0; i < sk_X509_num(list); i++)
		if (X509_cmp(sk_X509_value(list, i), x) == 0)
			return true;
	return false;
}

static bool issued_by(X509 *x, X509 *ca)
{
	EVP_PKEY *key = X509_get0_pubkey(ca);

	return is_ca(ca) && key != NULL && X509_check_issued(ca, x) == X509_V_OK && X509_verify(x, key) == 1;
}

static bool issued_by_one(X509 *x, STACK_OF(X509) *believed)
{
	for (int i = 0; i < sk_X509_num(believed); i++)
		if (issued_by(x, sk_X509_value(believed, i)))
			return true;
	return false;
}

/* Adds another reference to those of a list that are valid now. False when memory is short. */
static bool add(STACK_OF(X509) *to, X509 *x, time_t now)
{
	if (has(to, x) || !is_current(x, now))
		return true;
	if (!X509_up_ref(x))
		return false;
	if (sk_X509_push(to, x) > 0)
		return true;
	X509_free(x);
	return false;
}

/* Fills signers. Each round can find what a CA issued that the round before found. False when memory is short. */
static bool believe(struct scep_ca *ca, STACK_OF(X509) *shown, STACK_OF(X509) *pinned, time_t now)
{
	STACK_OF(X509) *first = pinned != NULL ? pinned : shown;
	int before;

	for (int i = 0; i < sk_X509_num(first); i++)
		if (!add(ca->signers, sk_X509_value(first, i), now))
			return false;
	do {
		before = sk_X509_num(ca->signers);
		for (int i = 0; i < sk_X509_num(shown); i++) {
			X509 *x = sk_X509_value(shown, i);

			if ((is_ca(x) || is_ra(x)) && issued_by_one(x, ca->signers) && !add(ca->signers, x, now))
				return false;
		}
	} while (sk_X509_num(ca->signers) > before);
	return true;
}

/* Has it issued one of the other CAs? Then it is not the one that issues for phones. */
static bool is_above(X509 *ca, STACK_OF(X509) *shown)
{
	for (int i = 0; i < sk_X509_num(shown); i++) {
		X509 *x = sk_X509_value(shown, i);

		if (is_ca(x) && X509_cmp(x, ca) != 0 && issued_by(x, ca))
			return true;
	}
	return false;
}

/* An RA's certificate that may encrypt, else the issuing CA's. */
static X509 *choose(const struct scep_ca *ca, STACK_OF(X509) *shown)
{
	X509 *issuing = NULL;

	for (int i = 0; i < sk_X509_num(shown); i++) {
		X509 *x = sk_X509_value(shown, i);

		if (!is_rsa(x) || !has(ca->signers, x))
			continue;
		/* Without keyUsage, X509_get_key_usage has every bit. */
		if (!is_ca(x) && (X509_get_key_usage(x) & KU_KEY_ENCIPHERMENT))
			return x;
		if (is_ca(x) && issuing == NULL && !is_above(x, shown))
			issuing = x;
	}
	return issuing;
}

/* Why there is none, from the first of what was shown: it is what the administrator has to compare. */
static int say_none(const struct scep_ca *ca, STACK_OF(X509) *shown, time_t now, struct reason *why)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1], *name;
	unsigned len = 0;
	X509 *x = NULL;

	for (int i = 0; i < sk_X509_num(shown); i++) {
		/* What is not believed tells more than a CA that is and only cannot encrypt. */
		if (x == NULL || (has(ca->signers, x) && !has(ca->signers, sk_X509_value(shown, i))))
			x = sk_X509_value(shown, i);
	}
	if (x == NULL || (name = name_line(X509_get_subject_name(x))) == NULL)
		return reason_memory(why);
	if (!is_current(x, now))
		reason_set(why, "the server's certificate %.80s is not valid now", name);
	else if (has(ca->signers, x))
		reason_set(why, "the server's certificate %.80s has no RSA key that may encrypt: SCEP needs one",
		    name);
	else if (!X509_digest(x, EVP_sha256(), digest, &len))
		reason_memory(why);
	else {
		bytes_hex(digest, len, hex);
		reason_set(why, "the server's certificate %.80s is not in issuer-file: "
		    "compare its SHA-256, and add it: %s", name, hex);
	}
	free(name);
	return -1;
}

int scep_ca_choose(struct scep_ca *ca, STACK_OF(X509) *shown, STACK_OF(X509) *pinned, time_t now, struct reason *why)
{
	X509 *chosen;

	*ca = (struct scep_ca){0};
	openssl_error_forget();
	if ((ca->signers = sk_X509_new_null()) == NULL || !believe(ca, shown, pinned, now))
		return reason_memory(why);
	if ((chosen = choose(ca, shown)) == NULL) {
		say_none(ca, shown, now, why);
		return openssl_error_end(-1, why);
	}
	if (!X509_up_ref(chosen))
		return reason_memory(why);
	ca->recipient = chosen;
	ca->issuer = is_ca(chosen) ? X509_get_subject_name(chosen) : X509_get_issuer_name(chosen);
	return openssl_error_end(0, why);
}

void scep_ca_free(struct scep_ca *ca)
{
	sk_X509_pop_free(ca->signers, X509_free);
	X509_free(ca->recipient);
	*ca = (struct scep_ca){0};
}
