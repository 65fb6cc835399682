/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/untar.h"
#include "archive/unzip.h"
#include "base/fileio.h"
#include "process/child.h"
#include "process/sandbox.h"
#include "quarantine/unpack_inside.h"
#include "x509/pem.h"
#include "x509/pkcs7.h"

/* Memory for zlib, libarchive and the rest beside one entry, with room. */
#define MEMORY ((uint64_t)24 << 20)
/* Certificates that come without an archive: 40,000 in PEM. */
#define CERTIFICATES_MAX ((size_t)64 << 20)
/* So many times what is read of those: the file, as it was read and whole, and a PKCS#7 as its base64 and as DER. */
#define CERTIFICATES_COPIES 6
/* An honest archive takes 0.1 s for 10,000 entries. The largest that the limits let in, 2 GiB and
 * 500,000 entries, takes 6 s; one that is built at every limit would take minutes. */
#define SECONDS 10
#define BYTES_PER_SECOND ((uint64_t)64 << 20)
#define HEAD 512	/* bytes by which a file is told from an archive */

struct child {
	const struct unpack_task *task;
	int out;
	struct buf parcel;
	uint64_t pieces;	/* certificates that were cut off, of all entries */
};

/* An archive of either sort: one of them is there. */
struct source {
	struct untar *tar;
	struct unzip *zip;
};

/* What is said of something that was to be cut: go on, or say nothing more of this archive; or nothing more at all. */
enum said { SAID_GO_ON, SAID_ENOUGH, SAID_FAILED = -1 };

static int flush(struct child *c)
{
	int result = child_write_parcel(c->out, &c->parcel);

	c->parcel.len = 0;
	return result;
}

static int say(struct child *c, const struct unpacked *u)
{
	struct unpacked cut = *u;

	if (cut.data.len > c->task->most)
		cut.data.len = c->task->most + 1;
	unpack_encode(&cut, &c->parcel);
	return c->parcel.len >= UNPACK_PARCEL || c->parcel.failed ? flush(c) : 0;
}

static int say_kind(struct child *c, enum unpack_kind kind, int error)
{
	return say(c, &(struct unpacked){.kind = kind, .error = error});
}

static int say_unreadable(struct child *c, const char *text)
{
	struct unpacked u = {.kind = UNPACK_UNREADABLE, .error = errno};

	reason_set(&u.reason, "%s", text);
	return say(c, &u);
}

/* Something of certificates, good or refused, or why all of it is. It counts as an entry does: in 64 KiB of PKCS#7 there
 * is room for 30,000 of nothing. */
static enum said say_one(struct child *c, enum unpack_kind kind, const char *name, struct bytes data,
    const struct reason *why)
{
	struct unpacked u = {.kind = kind, .data = data};

	if (why != NULL)
		u.reason = *why;
	if (kind != UNPACK_DAMAGED && ++c->pieces > c->task->limits.entries) {
		u = (struct unpacked){.kind = UNPACK_DAMAGED};
		reason_set(&u.reason, "holds more than %" PRIu64 " certificates", c->task->limits.entries);
	}
	strncpy(u.name, name, sizeof u.name - 1);
	if (say(c, &u) != 0)
		return SAID_FAILED;
	return u.kind == UNPACK_DAMAGED ? SAID_ENOUGH : SAID_GO_ON;
}

static enum said say_piece(struct child *c, const char *name, struct bytes one)
{
	return say_one(c, UNPACK_ENTRY, name, one, NULL);
}

/* The certificates of a PKCS#7, DER or PEM. One that is broken is refused as an entry, or as a whole file. */
static enum said say_pkcs7(struct child *c, const char *name, struct bytes data)
{
	enum unpack_kind kind = *name != '\0' ? UNPACK_REFUSED : UNPACK_DAMAGED;
	struct bytes rest, one;
	enum said said = SAID_GO_ON;
	struct reason why = {.text = ""};
	unsigned char *der;
	size_t len;
	bool pem;

	if ((der = pem_unwrap(data.p, data.len, DER_PKCS7, true, &len, &pem, &why)) == NULL)
		return why.trouble ? say_kind(c, UNPACK_TROUBLE, ENOMEM), SAID_FAILED :
		    say_one(c, kind, name, (struct bytes){NULL, 0}, &why);
	if (pkcs7_certificates((struct bytes){der, len}, &rest, &why) != 0)
		said = say_one(c, kind, name, (struct bytes){NULL, 0}, &why);
	else
		while (said == SAID_GO_ON && pkcs7_next(&rest, &one))
			said = say_piece(c, name, one);
	free(der);
	return said;
}

/* All certificates of an entry or a file. What holds only one goes to the judge as it is, who is strict about what
 * stands around it; around several in PEM any text may stand, as for OpenSSL. Beside a private key nothing is taken. */
static enum said say_certificates(struct child *c, const char *name, struct bytes data)
{
	static const char key[] = "PRIVATE KEY-----";
	struct bytes rest = data, one;
	enum said said = SAID_GO_ON;

	if (!pem_next(&rest, &one) || rest.len == 0 || memchr(data.p, '\0', data.len) != NULL ||
	    memmem(data.p, data.len, key, strlen(key)) != NULL)
		return pem_kind(data) == DER_PKCS7 ? say_pkcs7(c, name, data) : say_piece(c, name, data);
	do
		said = pem_kind(one) == DER_PKCS7 ? say_pkcs7(c, name, one) : say_piece(c, name, one);
	while (said == SAID_GO_ON && pem_next(&rest, &one));
	return said;
}

static enum untar_result next(const struct source *from, struct untar_item *e, struct reason *why)
{
	return from->zip != NULL ? unzip_next(from->zip, e, why) : untar_next(from->tar, e, why);
}

/* What next() gave, with all that is in it. */
static enum said say_entry(struct child *c, enum untar_result got, const struct untar_item *e, const struct reason *why)
{
	static const enum unpack_kind kind[] = {
		[UNTAR_ITEM] = UNPACK_ENTRY, [UNTAR_REFUSED] = UNPACK_REFUSED,
		[UNTAR_DAMAGED] = UNPACK_DAMAGED, [UNTAR_TROUBLE] = UNPACK_TROUBLE,
	};
	struct unpacked u = {.kind = kind[got], .error = got == UNTAR_TROUBLE ? errno : 0, .reason = *why};

	if (c->task->certificates && got == UNTAR_ITEM)
		return say_certificates(c, e->name, (struct bytes){e->data, e->len});
	if (c->task->certificates && got == UNTAR_REFUSED)
		return say_one(c, UNPACK_REFUSED, e->name, (struct bytes){NULL, 0}, why);
	if (got == UNTAR_ITEM || got == UNTAR_REFUSED)
		strncpy(u.name, e->name, sizeof u.name - 1);
	if (got == UNTAR_ITEM)
		u.data = (struct bytes){e->data, e->len};
	if (say(c, &u) != 0 || got == UNTAR_TROUBLE)
		return SAID_FAILED;
	return got == UNTAR_DAMAGED ? SAID_ENOUGH : SAID_GO_ON;
}

/* One archive to its end, and what is wrong with it. -1 when nothing more can be said. */
static int read_archive(struct child *c, const struct source *from)
{
	enum said said = SAID_GO_ON;
	enum untar_result got;
	struct untar_item e;

	while (said == SAID_GO_ON) {
		struct reason why = {.text = ""};

		if ((got = next(from, &e, &why)) == UNTAR_END)
			return 0;
		said = say_entry(c, got, &e, &why);
	}
	return said == SAID_ENOUGH ? 0 : -1;
}

/* The same for an archive that fd is at the beginning of, or behind so many bytes. One with too many entries is not
 * begun: its first half million would be told, one by one, before it is refused. */
static int read_from(struct child *c, const struct source *from, int fd, size_t read)
{
	struct unpacked u = {.kind = UNPACK_DAMAGED};
	bool overfull = from->zip != NULL ? unzip_overfull(fd, read, &c->task->limits, &u.reason) :
	    untar_overfull(fd, read, &c->task->limits, &u.reason);

	return overfull ? say(c, &u) : read_archive(c, from);
}

/* Certificates without an archive, behind so many bytes that were read. */
static int read_certificates(struct child *c, struct bytes head)
{
	uint64_t total = c->task->limits.total_bytes;
	size_t most = total < CERTIFICATES_MAX ? (size_t)total : CERTIFICATES_MAX, len;
	struct unpacked u = {.kind = UNPACK_DAMAGED};
	enum said said = SAID_FAILED;
	struct buf all = {0};
	unsigned char *more;

	if (fileio_read_all(STDIN_FILENO, most, &more, &len) != 0) {
		if (errno != EFBIG)
			return say_kind(c, UNPACK_TROUBLE, errno);
		reason_set(&u.reason, "is no archive, and larger than %zu bytes", most);
		return say(c, &u);
	}
	buf_put(&all, head.p, head.len);
	buf_put(&all, more, len);
	free(more);
	if (all.failed) {
		say_kind(c, UNPACK_TROUBLE, ENOMEM);
	} else if (*all.p != DER_SEQUENCE && pem_kind((struct bytes){all.p, all.len}) == DER_UNKNOWN) {
		reason_set(&u.reason, "is neither a tar nor a gzip nor a zip, and no certificate");
		said = say(c, &u) == 0 ? SAID_ENOUGH : SAID_FAILED;
	} else {
		said = say_certificates(c, "", (struct bytes){all.p, all.len});
	}
	buf_free(&all);
	return said == SAID_FAILED ? -1 : 0;
}

/* A file that is no archive, piece by piece. */
static int read_plain(struct child *c, int fd, struct bytes head)
{
	struct bytes rest, one;
	struct buf all = {0};
	unsigned char *more;
	size_t len, pieces = 0;
	int result = 0;

	if (fileio_read_all(fd, UNPACK_FILE_MAX, &more, &len) != 0)
		return say_unreadable(c, "cannot read");
	buf_put(&all, head.p, head.len);
	buf_put(&all, more, len);
	free(more);
	if (all.failed)
		return say_kind(c, UNPACK_TROUBLE, ENOMEM);
	rest = (struct bytes){all.p, all.len};
	if (all.len == 0)
		result = say_kind(c, UNPACK_ENTRY, 0);
	while (result == 0 && pem_next(&rest, &one)) {
		struct unpacked u = {.kind = UNPACK_ENTRY, .data = one};

		if (++pieces <= UNPACK_PIECES_MAX) {
			result = say(c, &u);
			continue;
		}
		u = (struct unpacked){.kind = UNPACK_DAMAGED};
		reason_set(&u.reason, "holds more than %d requests", UNPACK_PIECES_MAX);
		result = say(c, &u);
		break;
	}
	buf_free(&all);
	return result;
}

/* A file by its descriptor, or minus the errno of opening it. */
static int read_file(struct child *c, int fd)
{
	struct source from = {NULL, NULL};
	unsigned char head[HEAD];
	ssize_t n;
	int result;

	if (say_kind(c, UNPACK_FILE, 0) != 0)
		return -1;
	if (fd < 0)
		errno = -fd;
	if (fd < 0 || (n = fileio_read_full(fd, head, sizeof head)) < 0) {
		result = say_unreadable(c, fd < 0 ? "cannot open" : "cannot read");
	} else if (!c->task->apart && !untar_looks_like(head, (size_t)n)) {
		result = read_plain(c, fd, (struct bytes){head, (size_t)n});
	} else if ((from.tar = untar_open(fd, head, (size_t)n, c->task->flat, &c->task->limits)) == NULL) {
		result = say_kind(c, UNPACK_TROUBLE, ENOMEM);
	} else {
		result = read_from(c, &from, fd, (size_t)n);
	}
	untar_close(from.tar);
	if (fd > STDIN_FILENO)
		close(fd);
	return result;
}

/* Of processor time, for one archive or file. */
static unsigned seconds_for_one(const struct unpack_task *task)
{
	return SECONDS + (unsigned)(task->limits.total_bytes / BYTES_PER_SECOND);
}

rlim_t unpack_descriptors(void)
{
	struct rlimit r;

	return getrlimit(RLIMIT_NOFILE, &r) == 0 ? r.rlim_max : 0;
}

/* Descriptors of all files of a share, or minus an errno each; NULL with errno. None of them was read yet, and none
 * can be opened later. */
static int *open_files(const struct unpack_share *s)
{
	struct rlimit all = {unpack_descriptors(), unpack_descriptors()};
	int *fd = calloc(s->end - s->first + 1, sizeof *fd);

	if (fd == NULL)
		return NULL;
	setrlimit(RLIMIT_NOFILE, &all);
	for (size_t i = s->first; i < s->end; i++) {
		const char *name = s->task->file[i];
		int one = strcmp(name, "-") == 0 ? STDIN_FILENO : fileio_open_input(name);

		fd[i - s->first] = one >= 0 ? one : -errno;
	}
	return fd;
}

/* What a process without files reads: standard input. */
struct input {
	struct source archive;
	unsigned char head[HEAD];
	size_t n;
	bool plain;		/* no archive */
};

/* Looks at the first bytes alone, while the process may still do everything: how much memory it will need depends on
 * what it reads. -1 when out of memory. */
static int look(struct child *c, struct input *in)
{
	const struct unpack_task *task = c->task;
	struct bytes head = {in->head, 0};
	ssize_t n = task->certificates ? fileio_read_full(STDIN_FILENO, in->head, sizeof in->head) : 0;

	/* What cannot be read cannot be read there either. */
	head.len = in->n = n > 0 ? (size_t)n : 0;
	if (unzip_looks_like(head))
		in->archive.zip = unzip_open(STDIN_FILENO, head.p, head.len, task->flat, &task->limits);
	else if (head.len > 0 && !untar_looks_like(head.p, head.len) && !bytes_all_zero(head))
		in->plain = true;
	else
		in->archive.tar = untar_open(STDIN_FILENO, head.p, head.len, task->flat, &task->limits);
	return in->plain || in->archive.zip != NULL || in->archive.tar != NULL ? 0 : -1;
}

static int confine(const struct unpack_share *s, bool plain)
{
	struct sandbox sb = {.profile = SANDBOX_COMPUTE, .mute = true,
	    .memory = MEMORY + 3 * s->task->limits.entry_bytes};

	sb.seconds = seconds_for_one(s->task);
	if (plain)
		sb.memory += CERTIFICATES_COPIES * CERTIFICATES_MAX;
	if (s->task->files > 0) {
		sb.memory += s->task->apart ? 0 : 3 * UNPACK_FILE_MAX;
		sb.seconds *= (unsigned)(s->end - s->first);
	}
	return sandbox_enter(&sb);
}

int unpack_inside(void *ctx, int out)
{
	const struct unpack_share *s = ctx;
	struct child c = {.task = s->task, .out = out};
	/* Names cannot be read without it, and archives that are opened later find it loaded. */
	locale_t table = untar_locale();
	struct input in = {.plain = false};
	int result = 0, *fd = NULL;

	if (c.task->files == 0 ? look(&c, &in) != 0 : (fd = open_files(s)) == NULL)
		return 1;
	if (confine(s, in.plain) != 0) {
		say_kind(&c, UNPACK_TROUBLE, errno);
		return flush(&c) == 0 ? 0 : 1;
	}
	if (in.plain)
		result = read_certificates(&c, (struct bytes){in.head, in.n});
	else if (c.task->files == 0)
		result = read_from(&c, &in.archive, STDIN_FILENO, in.n);
	for (size_t i = 0; i < s->end - s->first && result == 0; i++)
		if ((result = sandbox_renew(seconds_for_one(c.task))) == 0)
			result = read_file(&c, fd[i]);
	if (result == 0)
		say_kind(&c, UNPACK_END, 0);
	flush(&c);	/* an error: the parent has stopped reading */
	untar_close(in.archive.tar);
	unzip_close(in.archive.zip);
	if (table != (locale_t)0)
		freelocale(table);
	buf_free(&c.parcel);
	free(fd);
	return 0;
}
