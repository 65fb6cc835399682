/* SPDX-License-Identifier: ISC */
/* Bytes read with their bounds, and a buffer that grows: for CAPF messages, DER, tar, and what the processes of a
 * program tell each other. Integers are big endian. */
#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reading: what is left. Each bytes_get_* returns false, and moves nothing, when too little is left. */
struct bytes {
	const unsigned char *p;
	size_t len;
};

bool bytes_get(struct bytes *, const unsigned char **out, size_t len);
bool bytes_get_u8(struct bytes *, uint8_t *);
bool bytes_get_u32(struct bytes *, uint32_t *);
bool bytes_get_u64(struct bytes *, uint64_t *);
bool bytes_get_copy(struct bytes *, void *out, size_t len);
/* A 32-bit length, then that many bytes. */
bool bytes_get_sized(struct bytes *, const unsigned char **out, size_t *len);
/* The same without a NUL in it, as a string that fits into size. */
bool bytes_get_text(struct bytes *, char *out, size_t size);
/* Is there nothing but NULs? */
bool bytes_all_zero(struct bytes);

/* Writing: a failed allocation sets failed and is looked at once, at the end. */
struct buf {
	unsigned char *p;
	size_t len, cap;
	bool failed;
};

void buf_put(struct buf *, const void *, size_t);
void buf_put_u8(struct buf *, uint8_t);
void buf_put_u32(struct buf *, uint32_t);
void buf_put_u64(struct buf *, uint64_t);
void buf_put_sized(struct buf *, const void *, size_t);
void buf_put_text(struct buf *, const char *);
void buf_free(struct buf *);

/* Lower-case hex; out has room for 2 * len + 1. bytes_unhex takes exactly 2 * len digits. */
void bytes_hex(const unsigned char *, size_t len, char *out);
bool bytes_unhex(const char *, size_t len, unsigned char *out);

#endif
