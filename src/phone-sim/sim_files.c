/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/fileio.h"
#include "base/outfile.h"
#include "phone-sim/sim_files.h"
#include "x509/key.h"
#include "x509/secret.h"

#define PATH_LENGTH 4096

static bool is_folder(const char *path)
{
	struct stat st;

	return path != NULL && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* False when it does not fit, which no path that can be opened does. */
static bool join(char out[PATH_LENGTH], const char *dir, const char *device, const char *end)
{
	return snprintf(out, PATH_LENGTH, "%s/%s%s", dir, device, end) < PATH_LENGTH;
}

static EVP_PKEY *load_key(const char *path, struct reason *r)
{
	struct secret none = {0};
	struct reason why;
	EVP_PKEY *key = key_load(path, &none, &why);

	if (key == NULL)
		reason_set(r, "%.100s: %.200s", path, why.text);
	secret_wipe(&none);
	return key;
}

static struct cert *load_cert(const char *path, struct reason *r)
{
	struct reason why;
	struct cert *c = cert_load(path, &why);

	if (c == NULL)
		reason_set(r, "%.100s: %.200s", path, why.text);
	return c;
}

/* A certificate that all phones have. */
static int load_pair(const char *cert, const char *key, struct cert **c, struct sim_cert *to,
    struct reason *r)
{
	if (key != NULL && (cert == NULL || is_folder(cert)))
		return reason_set(r, "a key without its certificate");
	if (cert == NULL || is_folder(cert))
		return 0;
	if ((*c = load_cert(cert, r)) == NULL || (key != NULL && (to->key = load_key(key, r)) == NULL))
		return -1;
	to->der = (struct bytes){(*c)->der, (*c)->der_len};
	return 0;
}

int sim_files_open(struct sim_files *w, struct sim_plan *plan, struct reason *r)
{
	if (w->many && w->lsc_out != NULL && !is_folder(w->lsc_out))
		return reason_set(r, "--lsc-out wants a folder when there are many phones");
	if (load_pair(w->lsc, w->lsc_key, &w->lsc_cert, &plan->lsc, r) != 0)
		return -1;
	return load_pair(w->mic, w->mic_key, &w->mic_cert, &plan->mic, r);
}

void sim_files_close(struct sim_files *w, struct sim_plan *plan)
{
	EVP_PKEY_free(plan->lsc.key);
	EVP_PKEY_free(plan->mic.key);
	cert_free(w->lsc_cert);
	cert_free(w->mic_cert);
}

/* The phone's own, from a folder; it may have none. */
static int hand_pair(const char *folder, struct sim *s, void (*give)(struct sim *, struct sim_cert),
    struct reason *r)
{
	char path[PATH_LENGTH], key_path[PATH_LENGTH];
	struct cert *c = NULL;
	EVP_PKEY *key = NULL;
	struct stat st;

	if (!is_folder(folder) || !join(path, folder, s->device, ".pem") ||
	    !join(key_path, folder, s->device, ".key") || stat(path, &st) != 0)
		return 0;
	if ((c = load_cert(path, r)) != NULL && (key = load_key(key_path, r)) != NULL)
		give(s, (struct sim_cert){{c->der, c->der_len}, key});
	cert_free(c);
	EVP_PKEY_free(key);
	return key != NULL ? 0 : -1;
}

int sim_files_hand(const struct sim_files *w, struct sim *s, struct reason *r)
{
	char path[PATH_LENGTH];
	EVP_PKEY *key;
	struct stat st;

	if (hand_pair(w->lsc, s, sim_give_lsc, r) != 0 || hand_pair(w->mic, s, sim_give_mic, r) != 0)
		return -1;
	if (w->key_dir == NULL || !join(path, w->key_dir, s->device, ".key") || stat(path, &st) != 0)
		return 0;
	if ((key = load_key(path, r)) == NULL)
		return -1;
	sim_give_key(s, key);
	EVP_PKEY_free(key);
	return 0;
}

static int write_file(const char *path, mode_t mode, const void *data, size_t len, struct reason *r)
{
	struct outfile out;
	int res = -1;

	if (outfile_open(&out, path, mode) != 0)
		return reason_errno_of(r, path);
	if (fileio_write_all(out.fd, data, len) == 0 && outfile_commit(&out) == 0)
		res = 0;
	else
		reason_errno_of(r, path);
	outfile_abort(&out);
	return res;
}

static int write_key(const char *dir, const struct sim *s, EVP_PKEY *key, struct reason *r)
{
	char path[PATH_LENGTH], *pem;
	size_t len;
	int res = -1;

	if (!join(path, dir, s->device, ".key"))
		return reason_set(r, "%.100s: %s", dir, strerror(ENAMETOOLONG));
	if ((pem = key_pem(key, NULL, &len, r)) != NULL)
		res = write_file(path, 0600, pem, len, r);
	secret_free(pem, len);
	return res;
}

static int write_pem(const char *path, struct bytes der, struct reason *r)
{
	struct cert *c = cert_parse(der.p, der.len, r);
	size_t len;
	char *pem = c != NULL ? cert_pem(c->x509, &len) : NULL;
	int res = -1;

	if (pem != NULL)
		res = write_file(path, 0644, pem, len, r);
	else if (c != NULL)
		reason_memory(r);
	free(pem);
	cert_free(c);
	return res;
}

int sim_files_keep_key(const struct sim_files *w, const struct sim *s, EVP_PKEY *key, struct reason *r)
{
	return w->key_dir != NULL ? write_key(w->key_dir, s, key, r) : 0;
}

/* In DER when the file's name says so. */
int sim_files_keep_lsc(const struct sim_files *w, const struct sim *s, struct bytes der, struct reason *r)
{
	const char *path = w->lsc_out, *dot = path != NULL ? strrchr(path, '.') : NULL;
	char in_folder[PATH_LENGTH];

	if (path == NULL)
		return 0;
	if (is_folder(path)) {
		if (!join(in_folder, path, s->device, ".pem"))
			return reason_set(r, "%.100s: %s", path, strerror(ENAMETOOLONG));
		return write_key(path, s, s->key, r) != 0 ? -1 : write_pem(in_folder, der, r);
	}
	if (dot != NULL && strcmp(dot, ".der") == 0)
		return write_file(path, 0644, der.p, der.len, r);
	return write_pem(path, der, r);
}
