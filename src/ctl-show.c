/* SPDX-License-Identifier: ISC */
/* ctl-show: what is in phones' trust lists, and what is wrong with them. It reads the list as a phone does, and believes
 * nothing that its signature does not cover; whether the signer may be trusted, only the phone's old list can tell. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/utc.h"
#include "cli/confine.h"
#include "cli/options.h"
#include "cli/status.h"
#include "x509/cert.h"
#include "x509/ctl.h"
#include "x509/ctl_check.h"

const char program[] = "ctl-show";
const char purpose[] = "show and check trust lists of phones";
const char synopsis[] = "[-hV] [-P seconds] [--old list] list ...";

struct showing {
	const char *path;	/* of the list at hand */
	time_t now;
	struct ctl *old;	/* NULL: nobody asked */
	int status;
};

/* A line "what: text", whatever bytes are in the text. */
static void show_text(const char *what, struct bytes text)
{
	printf("%-12s", what);
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			printf("\\x%02x", text.p[i]);
		else
			putchar(text.p[i]);
	putchar('\n');
}

static void show_hex(const char *what, struct bytes value)
{
	printf("%-12s", what);
	for (size_t i = 0; i < value.len; i++)
		printf("%02x", value.p[i]);
	putchar('\n');
}

static void show_time(const char *what, time_t t)
{
	char iso[UTC_ISO + 1];

	utc_iso(t, iso);
	printf("%-12s%s\n", what, iso);
}

static void show_header(const char *path, const struct ctl *c)
{
	show_text("list:", (struct bytes){(const unsigned char *)path, strlen(path)});
	show_text("name:", c->file);
	printf("%-12s1.%u\n", "version:", c->minor);
	show_time("made:", (time_t)c->time);
	show_text("signer:", c->subject);
	show_text("its issuer:", c->issuer);
	show_hex("its serial:", c->serial);
	printf("%-12sRSA %zu, %s\n", "signature:", 8 * c->signature.len, c->digest == CTL_SHA1 ? "SHA1" : "SHA512");
	printf("%-12s%zu\n\n", "records:", c->n);
}

static void show_key(const struct cert *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert->x509);
	int kind = key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;

	if (kind == EVP_PKEY_RSA || kind == EVP_PKEY_EC)
		printf("%-12s%s %d\n", "key:", kind == EVP_PKEY_RSA ? "RSA" : "EC", EVP_PKEY_get_bits(key));
	else
		printf("%-12sneither RSA nor EC\n", "key:");
}

/* Elements are shown when they are there. A certificate that cannot be read is a fault, which ctl_check finds. */
static void show_record(struct showing *w, const struct ctl_record *r, size_t number)
{
	static const struct {
		enum ctl_tag tag;
		const char *what;
		bool text;
	} shown[] = {
	    {CTL_SUBJECT, "subject:", true}, {CTL_ISSUER, "issuer:", true}, {CTL_SERIAL, "serial:", false},
	    {CTL_DNS_NAME, "DNS name:", true}, {CTL_IP_ADDRESS, "address:", false},
	    {CTL_HASH_ALGORITHM, "hash by:", false}, {CTL_CERT_HASH, "hash:", false},
	};
	struct bytes der = ctl_value(r, CTL_CERT);
	struct reason why;
	struct cert *cert = der.p != NULL ? cert_parse(der.p, der.len, &why) : NULL;
	int role = ctl_role(r);

	printf("%-12s%zu\n", "record:", number);
	if (ctl_role_name(role) != NULL)
		printf("%-12s%s\n", "role:", ctl_role_name(role));
	else if (role >= 0)
		printf("%-12s%d\n", "role:", role);
	for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
		struct bytes value = ctl_value(r, shown[i].tag);

		/* A text that is not known to end with a NUL may do so. */
		if (shown[i].text && value.len > 0 && value.p[value.len - 1] == '\0')
			value.len--;
		if (value.p != NULL)
			(shown[i].text ? show_text : show_hex)(shown[i].what, value);
	}
	if (cert != NULL) {
		show_key(cert);
		show_time("not before:", cert->not_before);
		show_time("not after:", cert->not_after);
		show_hex("sha256:", (struct bytes){cert->digest, sizeof cert->digest});
	}
	putchar('\n');
	if (der.p != NULL && cert == NULL && why.trouble) {
		status_warn(w->path, "record %zu: %s", number, why.text);
		w->status = STATUS_TROUBLE;
	}
	cert_free(cert);
}

static void blame(void *ctx, const struct ctl_fault *fault)
{
	struct showing *w = ctx;

	if (fault->record > 0)
		status_warn(w->path, "record %zu: %s", fault->record, fault->why.text);
	else
		status_warn(w->path, "%s", fault->why.text);
	w->status = status_worst(w->status, STATUS_REFUSED);
}

static void blame_list(struct showing *w, const char *text)
{
	struct ctl_fault fault = {.record = 0};

	reason_set(&fault.why, "%s", text);
	blame(w, &fault);
}

/* What the list of this path holds, and the bytes, which the caller frees. NULL with a reason. */
static unsigned char *load(const char *path, struct ctl *c, struct reason *why)
{
	unsigned char *data = NULL;
	int fd = fileio_open_input(path);
	size_t len;

	*c = (struct ctl){.record = NULL};
	if (fd < 0 || fileio_read_all(fd, CTL_MAX_BYTES, &data, &len) != 0) {
		reason_errno(why);
		data = NULL;
	} else if (ctl_parse(c, (struct bytes){data, len}, why) != 0) {
		free(data);
		data = NULL;
	}
	if (fd >= 0)
		close(fd);
	return data;
}

static void show(struct showing *w)
{
	const char *leaf = strrchr(w->path, '/'), *inside;
	struct ctl c;
	struct reason why;
	unsigned char *data = load(w->path, &c, &why);

	if (data == NULL) {
		status_warn(w->path, "%s", why.text);
		w->status = status_worst(w->status, status_of_item(why.trouble));
		ctl_free(&c);
		return;
	}
	show_header(w->path, &c);
	for (size_t i = 0; i < c.n; i++)
		show_record(w, &c.record[i], i + 1);
	/* Shown before it is complained of, also where both go to the same place. */
	w->status = status_flush(w->status);
	inside = ctl_file_name(leaf != NULL ? leaf + 1 : w->path);
	if (inside != NULL && ctl_file_known(c.file) && (strlen(inside) != c.file.len || memcmp(inside, c.file.p, c.file.len) != 0))
		blame_list(w, "the name inside is not the one for a list of this name");
	if (ctl_check(&c, w->now, blame, w, &why) < 0) {
		status_warn(w->path, "%s", why.text);
		w->status = STATUS_TROUBLE;
	}
	if (w->old != NULL && !ctl_follows(w->old, &c))
		blame_list(w, "phones that have the old list refuse it: there its signer is no SAST");
	ctl_free(&c);
	free(data);
}

/* Confines this process to these files; one of them may be NULL, or "-" for stdin. */
static void allow(const char *old, char *const *file, size_t n)
{
	struct sandbox_path *path = calloc(n + 1, sizeof *path);
	size_t paths = 0;

	if (path == NULL)
		status_die_errno(NULL, "cannot start");
	for (size_t i = 0; i <= n; i++) {
		const char *one = i < n ? file[i] : old;

		if (one == NULL || strcmp(one, "-") == 0)
			continue;
		/* A file that is not there gives no right, and could not be told from one that must not be read. */
		if (access(one, R_OK) != 0)
			status_die_path(one, "cannot open");
		path[paths++] = (struct sandbox_path){AT_FDCWD, one, SANDBOX_READ};
	}
	confine_to(SANDBOX_READER, path, paths);
	free(path);
}

int main(int argc, char *argv[])
{
	struct showing w = {.now = time(NULL), .status = STATUS_OK};
	const char *old = NULL;
	const struct option_spec options[] = {
		OPT_TEXT(0, "old", "FILE", &old, "also check whether phones that have this list accept the others"),
		OPT_CLOCK(&w.now),
		{0},
	};
	int arg = options_parse(argc, argv, options);
	unsigned char *data = NULL;
	struct reason why;
	struct ctl before;

	if (arg == argc)
		status_usage("wants trust lists");
	allow(old, argv + arg, (size_t)(argc - arg));
	if (old != NULL) {
		if ((data = load(old, &before, &why)) == NULL)
			status_die(status_of_input(why.trouble), old, "%s", why.text);
		w.old = &before;
	}
	for (; arg < argc; arg++) {
		w.path = argv[arg];
		show(&w);
	}
	if (old != NULL)
		ctl_free(&before);
	free(data);
	return status_flush(w.status);
}
