/* SPDX-License-Identifier: ISC */
#include <openssl/rand.h>

#include <string.h>

#include "base/utc.h"
#include "ca/rules.h"
#include "x509/openssl_error.h"

bool rules_serial(unsigned char serial[RULES_SERIAL])
{
	if (RAND_bytes(serial, RULES_SERIAL) != 1)
		return false;
	/* Positive, and never shorter. */
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
	return true;
}

void rules_dates(time_t now, int days, time_t first, time_t last, time_t *from, time_t *to)
{
	*from = now - RULES_SKEW > first ? now - RULES_SKEW : first;
	*to = now + (time_t)days * RULES_DAY < last ? now + (time_t)days * RULES_DAY : last;
}

const char *rules_digest(EVP_PKEY *key, const char *wanted)
{
	int bits = EVP_PKEY_get_base_id(key) == EVP_PKEY_EC ? EVP_PKEY_get_bits(key) : 0;

	if (bits > 384)
		return "SHA512";
	if (bits > 256 && strcmp(wanted, "SHA256") == 0)
		return "SHA384";
	return wanted;
}

int rules_check_ca(const struct cert *ca, EVP_PKEY *key, time_t now, struct reason *r)
{
	char iso[UTC_ISO + 1], at[UTC_ISO + 1];

	if (cert_check_ca(ca, r) < 0)
		return -1;
	if (now < ca->not_before) {
		utc_iso(ca->not_before, iso);
		utc_iso(now, at);
		return reason_trouble(r, "is not valid before %s, and the clock says %s", iso, at);
	}
	if (now >= ca->not_after) {
		utc_iso(ca->not_after, iso);
		return reason_set(r, "expired on %s", iso);
	}
	if (EVP_PKEY_eq(X509_get0_pubkey(ca->x509), key) != 1)
		return openssl_error_end(reason_set(r, "the key is not the key of this certificate"), r);
	return 0;
}
