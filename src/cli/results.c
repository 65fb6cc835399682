/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "cli/results.h"
#include "cli/status.h"

/* So much goes into the file at once, and comes back from it: an import that people made has a few of these. */
#define PIECE ((size_t)64 * 1024)

void results_open(struct results *as, int scratch)
{
	*as = (struct results){.scratch = scratch};
}

void results_close(struct results *as)
{
	if (as->scratch >= 0)
		close(as->scratch);
	buf_free(&as->last);
	free(as->piece);
	results_open(as, -1);
}

/* Puts those in memory behind the others in the file. What an earlier try has left there is overwritten. */
static int spill(struct results *as)
{
	/* Allocated before the commit, so that lack of memory cannot keep its results back. */
	if (as->piece == NULL && (as->piece = malloc(PIECE)) == NULL)
		return -1;
	if (lseek(as->scratch, (off_t)as->spilled, SEEK_SET) < 0 ||
	    fileio_write_all(as->scratch, as->last.p, as->last.len) != 0)
		return -1;
	as->spilled += as->last.len;
	as->last.len = 0;
	return 0;
}

static void put_text(struct buf *out, const char *text, size_t most)
{
	buf_put_sized(out, text, strnlen(text, most - 1));
}

int results_add(struct results *as, const char *word, uint64_t item, const char *object, const char *reason,
    const char *fmt, ...)
{
	char facts[RESULTS_TEXT_MAX];
	size_t before = as->last.len;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(facts, sizeof facts, fmt, ap);
	va_end(ap);
	buf_put_text(&as->last, word);
	buf_put_u64(&as->last, item);
	put_text(&as->last, object, RESULTS_TEXT_MAX);
	buf_put_text(&as->last, facts);
	put_text(&as->last, reason, REASON_MAX);
	if (as->last.failed) {
		as->last.len = before;
		errno = ENOMEM;
		return -1;
	}
	as->n++;
	return as->last.len >= PIECE && as->scratch >= 0 ? spill(as) : 0;
}

struct results_end results_end(const struct results *as)
{
	return (struct results_end){as->n, as->spilled + as->last.len};
}

void results_drop(struct results *as, struct results_end end)
{
	if (end.bytes < as->spilled)
		as->spilled = end.bytes;
	as->last.len = (size_t)(end.bytes - as->spilled);
	as->n = end.n;
}

/* Cuts the first one off. False when it is not whole. */
static bool get(struct bytes *in, struct answer *a)
{
	struct bytes at = *in;

	if (!bytes_get_text(&at, a->word, sizeof a->word) || !bytes_get_u64(&at, &a->item) ||
	    !bytes_get_text(&at, a->object, sizeof a->object) ||
	    !bytes_get_text(&at, a->facts, sizeof a->facts) ||
	    !bytes_get_text(&at, a->reason, sizeof a->reason))
		return false;
	*in = at;
	return true;
}

/* Reads on behind what is left of the piece before. */
static int read_piece(struct results *as)
{
	size_t left = as->unread.len, want = PIECE - left;
	ssize_t n;

	if (want > as->spilled - as->read)
		want = (size_t)(as->spilled - as->read);
	if (left > 0)
		memmove(as->piece, as->unread.p, left);
	if (lseek(as->scratch, (off_t)as->read, SEEK_SET) < 0 ||
	    (n = fileio_read_full(as->scratch, as->piece + left, want)) < 0)
		return -1;
	if (want == 0 || (size_t)n < want) {
		errno = EIO;
		return -1;
	}
	as->read += want;
	as->unread = (struct bytes){as->piece, left + want};
	return 0;
}

int results_next(struct results *as, struct answer *a)
{
	while (!get(&as->unread, a)) {
		if (as->read < as->spilled) {
			if (read_piece(as) != 0)
				return -1;
			continue;
		}
		if (as->unread.len > 0) {
			errno = EIO;
			return -1;
		}
		if (as->last.len == 0)
			return 0;
		as->unread = (struct bytes){as->last.p, as->last.len};
		as->last.len = 0;
	}
	return 1;
}

void results_change(struct answer *a, const char *word, const char *reason)
{
	snprintf(a->word, sizeof a->word, "%s", word);
	snprintf(a->reason, sizeof a->reason, "%s", reason);
}

void results_print(const struct answer *a)
{
	char object[4 * RESULTS_TEXT_MAX], reason[4 * REASON_MAX];

	printf("%s\t%s\t%s\t%s\n", a->word, status_escape(a->object, object, sizeof object), a->facts,
	    status_escape(a->reason, reason, sizeof reason));
}
