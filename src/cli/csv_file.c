/* SPDX-License-Identifier: ISC */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/text_encoding.h"
#include "cli/status.h"
#include "cli/csv_file.h"

#define FILE_MOST (64u << 20)	/* some 100,000 rows with all columns full */

/* The encoding of the text: what the user says, unless the file says for certain that it is another. */
static enum text_encoding choose(const char *path, const char *encoding, const unsigned char *p, size_t len)
{
	enum text_encoding guess = text_encoding_guess(p, len);
	bool marked = len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0;
	int said = encoding != NULL ? text_encoding_named(encoding) : -1;

	if (said < 0)
		return guess;
	/* "UTF-16" is both, and the mark tells them apart. */
	if ((said == TEXT_UTF16LE || said == TEXT_UTF16BE) && (guess == TEXT_UTF16LE || guess == TEXT_UTF16BE))
		return guess;
	if ((marked || guess != TEXT_UTF8) && guess != (enum text_encoding)said)
		status_die(STATUS_USAGE, path, "--encoding says %s, but its first bytes are %s", text_encodings[said],
		    text_encodings[guess]);
	return (enum text_encoding)said;
}

void csv_file_read(struct csv_file *t, const char *path, const char *encoding)
{
	int fd = fileio_open_input(path);
	enum text_encoding found;
	unsigned char *raw;
	struct reason why;
	size_t len;

	*t = (struct csv_file){.name = strcmp(path, "-") == 0 ? "stdin" : path};
	if (fd < 0)
		status_die_path(path, "cannot open");
	if (fileio_read_all(fd, FILE_MOST, &raw, &len) != 0)
		status_die_path(path, "cannot read");
	close(fd);
	found = choose(t->name, encoding, raw, len);
	if (text_encoding_read(found, raw, len, &t->text, &why) != 0)
		status_die(status_of_input(why.trouble), t->name, "%s", why.text);
	explicit_bzero(raw, len);
	free(raw);
	/* csv_open wants room for one more. */
	buf_put_u8(&t->text, 0);
	if (t->text.failed)
		status_die(STATUS_TROUBLE, NULL, "out of memory");
	csv_open(&t->csv, (char *)t->text.p, t->text.len - 1);
	csv_detect(&t->csv);
	if (found != TEXT_UTF8 || t->csv.separator != ',')
		status_warn(t->name, "read as %s, with %s between the cells", text_encodings[found],
		    t->csv.separator == ';' ? "semicolons" : t->csv.separator == '\t' ? "tabs" : "commas");
}

void csv_file_free(struct csv_file *t)
{
	if (t->text.p != NULL)
		explicit_bzero(t->text.p, t->text.cap);
	buf_free(&t->text);
}
