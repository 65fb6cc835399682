/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fileio.h"
#include "online/client_files.h"
#include "x509/key.h"
#include "x509/openssl_error.h"

#define MAX_BYTES (4 * 1024 * 1024)	/* all CAs that a system trusts are a quarter of a MiB */

bool client_files_token(const char *name)
{
	return strncasecmp(name, "pkcs11:", 7) == 0;
}

/* A file that begins with a certificate in PEM, or with text before one. The certificate, or NULL with a reason. */
static X509 *read_pem(const char *path, unsigned char **out, size_t *len, struct reason *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	X509 *first = NULL;
	struct reason cause;
	BIO *bio;

	if (fd < 0 || fileio_read_all(fd, MAX_BYTES, out, len) != 0) {
		*out = NULL;
		reason_errno_of(why, path);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	close(fd);
	if ((bio = BIO_new_mem_buf(*out, (int)*len)) != NULL)
		first = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	reason_set(&cause, "has no certificate in PEM");
	if (openssl_error_end(first != NULL ? 0 : -1, &cause) != 0)
		reason_because(why, &cause, "%s: %s", path, cause.text);
	return first;
}

/* The key, whose certificate is this one; NULL: it is in a token. */
static int read_key(struct client_files *files, X509 *certificate, const char *name, const char *pass,
    struct reason *why)
{
	struct reason cause = {.text = ""};
	EVP_PKEY *key;
	int result = 0;

	if (pass != NULL && (files->pass.text = strdup(pass)) == NULL)
		return reason_memory(why);
	if ((key = key_load(name, &files->pass, &cause)) == NULL)
		return reason_because(why, &cause, "%s: %s", name, cause.text);
	if (certificate != NULL && X509_check_private_key(certificate, key) != 1)
		result = reason_set(why, "%s is not the key of the certificate", name);
	else if (!client_files_token(name) &&
	    (files->key = key_pem(key, NULL, &files->key_len, &cause)) == NULL)
		result = reason_because(why, &cause, "%s: %s", name, cause.text);
	EVP_PKEY_free(key);
	return openssl_error_end(result, why);
}

int client_files_read(struct client_files *files, const char *cas, const char *certificate, const char *key,
    const char *pass, struct reason *why)
{
	X509 *ours = NULL, *ca;
	int result = 0;

	*files = (struct client_files){0};
	if (key != NULL && certificate == NULL)
		return reason_set(why, "there is a key without its certificate");
	if (cas != NULL) {
		ca = read_pem(cas, &files->cas, &files->cas_len, why);
		result = ca != NULL ? 0 : -1;
		X509_free(ca);
	}
	if (result == 0 && certificate != NULL && !client_files_token(certificate) &&
	    (ours = read_pem(certificate, &files->certificate, &files->certificate_len, why)) == NULL)
		result = -1;
	if (result == 0 && certificate != NULL)
		result = read_key(files, ours, key != NULL ? key : certificate, pass, why);
	X509_free(ours);
	if (result != 0)
		client_files_free(files);
	return result;
}

void client_files_free(struct client_files *files)
{
	free(files->cas);
	secret_free(files->certificate, files->certificate_len);
	secret_free(files->key, files->key_len);
	secret_wipe(&files->pass);
	*files = (struct client_files){0};
}
