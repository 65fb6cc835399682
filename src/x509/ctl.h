/* SPDX-License-Identifier: ISC */
/* The bytes of phones' trust lists, CTLFile.tlv and ITLFile.tlv: read and written. Pure: no OpenSSL, and no opinion on
 * what is in a list, which ctl_check has. ctl-show(1) describes the format. */
#ifndef CTL_H
#define CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/reason.h"

#define CTL_MAX_BYTES (1024 * 1024)	/* a record has about 2 KiB */
#define CTL_RECORDS_MAX 500		/* so many fit into that */

/* The elements of a record. */
enum ctl_tag {
	CTL_LENGTH = 1,
	CTL_DNS_NAME = 2,
	CTL_SUBJECT = 3,
	CTL_ROLE = 4,
	CTL_ISSUER = 5,
	CTL_SERIAL = 6,
	CTL_PUBLIC_KEY = 7,
	CTL_CERT_SIGNATURE = 8,
	CTL_CERT = 9,
	CTL_IP_ADDRESS = 10,
	CTL_CERT_HASH = 11,
	CTL_HASH_ALGORITHM = 12,
	CTL_TAGS
};

enum ctl_role {
	CTL_SAST = 0,		/* signs trust lists */
	CTL_CCM = 1,
	CTL_CCM_TFTP = 2,
	CTL_TFTP = 3,
	CTL_CAPF = 4,
	CTL_APP_SERVER = 7,
	CTL_TVS = 21,
};

enum ctl_digest {
	CTL_SHA1 = 1,
	CTL_SHA512 = 3,
};

struct ctl_element {
	uint8_t tag;
	struct bytes value;	/* of a text: without its NUL */
};

struct ctl_record {
	struct ctl_element element[CTL_TAGS];	/* in the order in which they stand, each tag once; without CTL_LENGTH */
	size_t n;
};

struct ctl {
	uint8_t minor;		/* of the version of the file, whose major is 1 */
	struct bytes subject, issuer, serial;	/* of the signer; the first two without their NUL */
	enum ctl_digest digest;
	uint8_t modulus;	/* as ctl_modulus_bytes has it */
	struct bytes signature;
	struct bytes file;	/* the name inside, without its NUL */
	uint32_t time;		/* Unix seconds */
	struct ctl_record *record;
	size_t n;
	struct bytes before, behind;	/* what is signed: all but the signature's element */
};

/* Reads a list; the values stay where the bytes are. The caller frees with ctl_free, also after a failure. -1 with a
 * reason. */
int ctl_parse(struct ctl *, struct bytes, struct reason *);
void ctl_free(struct ctl *);

/* Do all lengths of a list, whose signature has its length already, fit into their two bytes? */
bool ctl_fits(const struct ctl *);
/* Appends a list that fits; before and behind are not looked at. Without its signature, whose length must be known then,
 * it is what is signed. */
void ctl_put(struct buf *, const struct ctl *, bool with_signature);

/* The value of an element of a record; p is NULL when it is not there. */
struct bytes ctl_value(const struct ctl_record *, enum ctl_tag);
/* The role of a record; -1 when it has none. */
int ctl_role(const struct ctl_record *);
/* "CAPF"; NULL for a role that is not known. */
const char *ctl_role_name(int role);

/* "public key": what an element of a record is; NULL for one that is not known. */
const char *ctl_tag_name(unsigned tag);

/* How long a signature with this modulus is; 0 when that is not known. */
size_t ctl_modulus_bytes(unsigned modulus);
/* The modulus of signatures of so many bytes; -1 when the format has none. */
int ctl_modulus(size_t bytes);

/* The name that stands inside a list that has this name: "ITLFile.tlv" for itself and for ITLSEP001122334455.tlv. NULL
 * when phones ask for no list of this name. */
const char *ctl_file_name(const char *leaf);
/* Is this a name that stands inside a list? */
bool ctl_file_known(struct bytes);

#endif
