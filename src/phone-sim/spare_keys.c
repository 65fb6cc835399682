/* SPDX-License-Identifier: ISC */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "capf/capfmsg.h"
#include "phone-sim/spare_keys.h"
#include "x509/openssl_error.h"

#define FILE_MAX (64 << 20)	/* 30,000 keys of 2048 bits */

static const char *const curves[] = {"P-256", "P-384", "P-521"};
static const int curve_bits[] = {256, 384, 521};

/* There is nobody to ask for a pass phrase. */
static int no_pass(char *out, int size, int writing, void *ctx)
{
	(void)out, (void)size, (void)writing, (void)ctx;
	return -1;
}

static int put(struct spare_keys *k, EVP_PKEY *key, struct reason *r)
{
	size_t room = k->n < k->room ? k->room : 2 * k->room + 16;
	struct spare_keys_key *more = k->keys;

	if (room > k->room && (more = realloc(more, room * sizeof *more)) == NULL) {
		EVP_PKEY_free(key);
		return reason_memory(r);
	}
	k->keys = more;
	k->room = room;
	k->keys[k->n++] = (struct spare_keys_key){key, EVP_PKEY_is_a(key, "EC"), EVP_PKEY_get_bits(key)};
	return 0;
}

static int read_keys(struct spare_keys *k, const void *data, size_t len, struct reason *r)
{
	BIO *bio = BIO_new_mem_buf(data, (int)len);
	size_t before = k->n;
	EVP_PKEY *key;
	int res = 0;

	if (bio == NULL)
		return reason_memory(r);
	while (res == 0 && (key = PEM_read_bio_PrivateKey(bio, NULL, no_pass, NULL)) != NULL)
		res = put(k, key, r);
	if (res == 0 && k->n == before)
		res = reason_set(r, "has no private key that can be read");
	BIO_free(bio);
	return openssl_error_end(res, r);
}

static int read_file(struct spare_keys *k, int dirfd, const char *name, struct reason *r)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC), res = -1;
	unsigned char *data = NULL;
	size_t len = 0;

	if (fd < 0 || fileio_read_all(fd, FILE_MAX, &data, &len) != 0)
		reason_errno_of(r, name);
	else
		res = read_keys(k, data, len, r);
	if (data != NULL)
		explicit_bzero(data, len);
	free(data);
	if (fd >= 0)
		close(fd);
	return res;
}

int spare_keys_load(struct spare_keys *k, const char *path, struct reason *r)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int res = 0;

	if (dir == NULL && errno == ENOTDIR)
		return read_file(k, AT_FDCWD, path, r);
	if (dir == NULL)
		return reason_errno(r);
	while (res == 0 && (d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.')
			res = read_file(k, dirfd(dir), d->d_name, r);
	closedir(dir);
	return res;
}

void spare_keys_free(struct spare_keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		EVP_PKEY_free(k->keys[i].key);
	free(k->keys);
	*k = (struct spare_keys){0};
}

static bool is_kind(const struct spare_keys_key *k, uint8_t key_type, unsigned bits, uint8_t curve)
{
	int want = key_type == CAPFMSG_EC ? curve_bits[curve] : (int)bits;

	return k->ec == (key_type == CAPFMSG_EC) && k->bits == want;
}

EVP_PKEY *spare_keys_get(const struct spare_keys *k, size_t n, uint8_t key_type, unsigned bits, uint8_t curve)
{
	size_t kinds = 0;
	EVP_PKEY *key = NULL;

	for (size_t i = 0; i < k->n; i++)
		kinds += is_kind(&k->keys[i], key_type, bits, curve);
	if (kinds == 0) {
		key = key_type == CAPFMSG_EC ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", curves[curve]) :
		    EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
		ERR_clear_error();
		return key;
	}
	n %= kinds;
	for (size_t i = 0; i < k->n && key == NULL; i++)
		if (is_kind(&k->keys[i], key_type, bits, curve) && n-- == 0)
			key = k->keys[i].key;
	EVP_PKEY_up_ref(key);
	return key;
}
