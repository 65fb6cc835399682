/* SPDX-License-Identifier: ISC */
/* For every harness: law() for what must hold whatever the bytes are, and the input in pieces. A
 * harness is LLVMFuzzerTestOneInput in NAME.c; libFuzzer calls it (make fuzz), and driver.c with
 * the files that are kept (make check). */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
/* Before the first one; a harness may have it. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define law(claim) ((claim) ? (void)0 : law_broken(__FILE__, __LINE__, #claim))

_Noreturn __attribute__((unused))
static void law_broken(const char *file, int line, const char *claim)
{
	fprintf(stderr, "%s:%d: broken law: %s\n", file, line, claim);
	abort();
}

/* Exactly these bytes, so that a sanitizer sees each one too many; the caller frees. */
__attribute__((unused)) static unsigned char *copy(const void *p, size_t len)
{
	unsigned char *out = malloc(len > 0 ? len : 1);

	law(out != NULL);
	if (len > 0)
		memcpy(out, p, len);
	return out;
}

/* The same as a string, or NULL when there is a NUL in it. */
__attribute__((unused)) static char *text_of(const void *p, size_t len)
{
	char *out;

	if (len > 0 && memchr(p, '\0', len) != NULL)
		return NULL;
	law((out = malloc(len + 1)) != NULL);
	if (len > 0)
		memcpy(out, p, len);
	out[len] = '\0';
	return out;
}

/* The next byte, 0 behind the last one. */
__attribute__((unused)) static uint8_t take(struct bytes *in)
{
	uint8_t n = 0;

	bytes_get_u8(in, &n);
	return n;
}

/* Up to len bytes. */
__attribute__((unused)) static struct bytes take_some(struct bytes *in, size_t len)
{
	struct bytes out = {in->p, len < in->len ? len : in->len};

	bytes_get(in, &out.p, out.len);
	return out;
}

__attribute__((unused)) static bool same(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Is there a NUL in it? */
__attribute__((unused)) static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* A CAPF message with any body. */
__attribute__((unused)) static void frame(struct buf *b, uint8_t command, uint8_t session,
    struct bytes body)
{
	const uint8_t head[] = {0x55, command, 0, 0, 0, session, body.len >> 8 & 0xff, body.len & 0xff};

	buf_put(b, head, sizeof head);
	buf_put(b, body.p, body.len);
}

/* A file of test/fuzz/data, whole; it is never freed. */
__attribute__((unused)) static struct bytes fixture(const char *name)
{
	static unsigned char room[65536];
	static size_t used;
	char path[512];
	struct bytes out = {room + used, 0};
	FILE *f;

	snprintf(path, sizeof path, FUZZ_DATA "/%s", name);
	if ((f = fopen(path, "re")) == NULL) {
		perror(path);
		abort();
	}
	out.len = fread(room + used, 1, sizeof room - used, f);
	fclose(f);
	used += out.len;
	law(out.len > 0 && used < sizeof room);
	return out;
}

#endif
