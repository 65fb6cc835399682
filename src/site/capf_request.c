/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "site/capf_request.h"
#include "spool/stage.h"
#include "x509/key.h"
#include "x509/pem.h"
#include "x509/secret.h"

int capf_request_put(struct spool *s, EVP_PKEY *key, const char *pem, size_t len, struct reason *why)
{
	const struct secret none = {0};
	struct buf file = {0};
	size_t key_len;
	char *key_text;
	int result;

	if ((key_text = key_pem(key, &none, &key_len, why)) == NULL)
		return -1;
	buf_put(&file, key_text, key_len);
	buf_put(&file, pem, len);
	secret_free(key_text, key_len);
	if (file.failed)
		result = reason_memory(why);
	else if ((result = stage_put(s, SPOOL_CA, CAPF_REQUEST_FILE, file.p, file.len, false)) != 0)
		reason_errno(why);
	secret_free(file.p, file.len);
	return result;
}

/* The request out of the file, without the key. */
static int copy_request(const unsigned char *text, size_t len, struct buf *pem, struct reason *why)
{
	static const char begin[] = "-----BEGIN CERTIFICATE REQUEST-----";
	struct bytes file = {text, len}, one;

	while (pem_next(&file, &one))
		if (memmem(one.p, one.len, begin, strlen(begin)) != NULL) {
			buf_put(pem, one.p, one.len);
			buf_put(pem, "\n", 1);
			return pem->failed ? reason_memory(why) : 0;
		}
	return reason_set(why, "holds no request");
}

int capf_request_load(const struct spool *s, EVP_PKEY **key, struct buf *pem, struct reason *why)
{
	struct secret none = {0};
	unsigned char *text;
	int result = 0;
	char *path;
	size_t len;

	secret_guard();
	if (spool_read(s, SPOOL_CA, CAPF_REQUEST_FILE, &text, &len) != 0)
		return errno == ENOENT ? 1 : reason_errno(why);
	if (pem != NULL)
		result = copy_request(text, len, pem, why);
	secret_free((char *)text, len);
	if (result != 0)
		return -1;
	if (asprintf(&path, "%s/%s/" CAPF_REQUEST_FILE, s->path, spool_dir_name(SPOOL_CA)) < 0)
		return reason_memory(why);
	*key = key_load(path, &none, why);
	free(path);
	return *key != NULL ? 0 : -1;
}

int capf_request_remove(struct spool *s, struct reason *why)
{
	if (spool_remove(s, SPOOL_CA, CAPF_REQUEST_FILE) != 0)
		return errno == ENOENT ? 0 : reason_errno(why);
	return spool_sync(s, SPOOL_CA) == 0 ? 0 : reason_errno(why);
}
