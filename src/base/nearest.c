/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/nearest.h"

#define WORD_MAX 64

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Without hyphens, and in small letters. Its length, or 0 when it is too long. */
static size_t plain(const char *word, char out[WORD_MAX])
{
	size_t n = 0;

	for (; *word != '\0'; word++) {
		if (*word == '-' || *word == '_' || *word == ' ')
			continue;
		if (n == WORD_MAX)
			return 0;
		out[n++] = (char)(*word >= 'A' && *word <= 'Z' ? *word - 'A' + 'a' : *word);
	}
	return n;
}

/* How many letters have to be changed, put in, taken away, or changed with their neighbours. */
static size_t distance(const char *a, size_t m, const char *b, size_t n)
{
	size_t row[3][WORD_MAX + 1], *before = row[0], *last = row[1], *now = row[2], *spare;

	for (size_t k = 0; k <= n; k++)
		last[k] = k;
	for (size_t i = 1; i <= m; i++) {
		now[0] = i;
		for (size_t k = 1; k <= n; k++) {
			now[k] = least(least(last[k], now[k - 1]) + 1, last[k - 1] + (a[i - 1] != b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				now[k] = least(now[k], before[k - 2] + 1);
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[n];
}

void nearest_try(struct nearest *best, const char *written, const char *word)
{
	char a[WORD_MAX], b[WORD_MAX];
	size_t m = plain(written, a), n = plain(word, b), near = least(1 + n / 5, 3), d;

	if (m == 0 || n == 0)
		return;
	d = distance(a, m, b, n);
	if (d > near || (best->word != NULL && d >= best->distance))
		return;
	best->word = word;
	best->distance = d;
}
