/* SPDX-License-Identifier: ISC */
/* libarchive's writer, for systems without libtar. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>

#include "archive/ustar.h"

struct maker {
	struct archive *archive;
	struct archive_entry *entry;
	struct ustar_sink sink;
	int error;		/* errno of the sink, which gets nothing more then; or -1 in the end */
};

/* libarchive is told that all is well: an archive that has failed it does not close, and so leaks. */

static la_ssize_t give(struct archive *a, void *arg, const void *data, size_t len)
{
	struct maker *m = arg;

	(void)a;
	if (m->error == 0 && m->sink.put(m->sink.to, data, len) != 0)
		m->error = errno;
	return (la_ssize_t)len;
}

/* libarchive's own failures are those of memory. */
static int fail(struct maker *m)
{
	errno = m->error != 0 ? m->error : ENOMEM;
	return -1;
}

static void maker_free(void *arg)
{
	struct maker *m = arg;

	/* Freeing writes the end of the archive. */
	m->error = -1;
	archive_write_free(m->archive);
	archive_entry_free(m->entry);
	free(m);
}

static void *maker_open(const struct ustar_sink *sink)
{
	struct maker *m = calloc(1, sizeof *m);

	if (m == NULL)
		return NULL;
	m->sink = *sink;
	m->archive = archive_write_new();
	m->entry = archive_entry_new();
	/* Blocks of 0: no buffer, and no padding: both are tgz's. */
	if (m->archive == NULL || m->entry == NULL ||
	    archive_write_set_format_ustar(m->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(m->archive, 0) != ARCHIVE_OK ||
	    archive_write_open(m->archive, m, NULL, give, NULL) != ARCHIVE_OK) {
		maker_free(m);
		errno = ENOMEM;
		return NULL;
	}
	return m;
}

static int maker_put(void *arg, const char *name, time_t mtime, const void *data, size_t len)
{
	struct maker *m = arg;

	archive_entry_clear(m->entry);
	archive_entry_set_pathname(m->entry, name);
	archive_entry_set_filetype(m->entry, AE_IFREG);
	archive_entry_set_perm(m->entry, 0644);
	archive_entry_set_mtime(m->entry, mtime, 0);
	archive_entry_set_size(m->entry, (la_int64_t)len);
	if (archive_write_header(m->archive, m->entry) != ARCHIVE_OK ||
	    (len > 0 && archive_write_data(m->archive, data, len) != (la_ssize_t)len) ||
	    archive_write_finish_entry(m->archive) != ARCHIVE_OK || m->error != 0)
		return fail(m);
	return 0;
}

static int maker_end(void *arg)
{
	struct maker *m = arg;

	return archive_write_close(m->archive) == ARCHIVE_OK && m->error == 0 ? 0 : fail(m);
}

const struct ustar_writer ustar_libarchive = {maker_open, maker_put, maker_end, maker_free};
