/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/utc.h"
#include "base/utf8.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "cli/table.h"
#include "cli/terminal.h"

#define HELD 200	/* rows that widths are taken from; what is wider comes late, and is cut */
#define TEXT_LEAST 12	/* columns that a text gets before other columns are left out */
#define KEY_SHOWN 12	/* digits; so many tell all keys of a spool apart */
#define GAP 2

void table_open(struct table *t, const struct table_column *column, size_t n, const struct table_options *o)
{
	bool is_terminal = isatty(STDOUT_FILENO) == 1;

	*t = (struct table){.column = column, .n = n, .header = o->header, .out = -1, .pager = {.fd = -1}};
	t->way = o->json ? TABLE_JSON : o->null ? TABLE_NULL : is_terminal ? TABLE_TERMINAL : TABLE_TABS;
	t->color = terminal_color(o->color, is_terminal) && (t->way == TABLE_TERMINAL || t->way == TABLE_TABS);
	if (o->json && o->null)
		status_usage("--json and --null exclude each other");
	if (t->way == TABLE_TERMINAL) {
		terminal_size(STDOUT_FILENO, &t->columns, &t->lines);
		t->utf8 = terminal_is_utf8();
		t->most = t->lines > HELD ? t->lines : HELD;
		if ((t->cell = calloc(t->most * n, sizeof *t->cell)) == NULL)
			status_die_errno(NULL, "cannot start");
		if (!o->no_pager)
			pager_start(&t->pager, getenv("PAGER"));
	}
	if (t->way == TABLE_TABS && t->header)
		for (size_t i = 0; i < n; i++)
			printf("%s%c", column[i].name, i + 1 < n ? '\t' : '\n');
}

bool table_wants_utf8(const struct table *t)
{
	return t->way == TABLE_JSON || (t->way == TABLE_TERMINAL && t->utf8);
}

void table_progress(struct table *t, struct progress *p)
{
	t->progress = p;
	if (p != NULL && t->begun)
		progress_end(p);
}

/* --- Colours. */

static void begin_tone(const struct table *t, enum table_tone tone)
{
	static const char *const code[] = {"", "32", "31", "33"};

	if (t->color && tone != TABLE_PLAIN)
		printf("\033[%sm", code[tone]);
}

static void end_tone(const struct table *t, enum table_tone tone)
{
	if (t->color && tone != TABLE_PLAIN)
		fputs("\033[m", stdout);
}

/* --- JSON (RFC 8259). */

static void put_json(const char *text)
{
	uint32_t c;
	size_t n;

	putchar('"');
	for (; *text != '\0'; text += n) {
		if ((n = utf8_get(text, &c)) == 0) {
			n = 1;
			printf("\\\\x%02x", (unsigned)(unsigned char)*text);
		} else if (c == '"' || c == '\\') {
			printf("\\%c", (int)c);
		} else if (utf8_is_plain(c)) {
			fwrite(text, 1, n, stdout);
		} else if (c < 0x10000) {
			printf("\\u%04x", (unsigned)c);
		} else {
			printf("\\u%04x\\u%04x", (unsigned)(0xd7c0 + (c >> 10)), (unsigned)(0xdc00 | (c & 0x3ff)));
		}
	}
	putchar('"');
}

static void put_json_name(const char *name)
{
	putchar('"');
	for (; *name != '\0'; name++)
		putchar(*name == '-' ? '_' : *name);
	fputs("\":", stdout);
}

/* --- Cells. */

static void hold(struct table *t, const char *text, enum table_tone tone)
{
	struct table_cell *cell = &t->cell[t->rows * t->n + t->at];
	struct buf out = {0};

	cell->width = terminal_put(&out, text, t->utf8);
	buf_put_u8(&out, 0);
	if (out.failed)
		status_die(STATUS_TROUBLE, NULL, "out of memory");
	cell->text = (char *)out.p;
	cell->tone = tone;
}

enum escaping { AS_IT_IS, ESCAPED };

/* As status_escape has it, of any length. */
static void put_escaped(const char *text)
{
	char escaped[ESCAPE_LEN];

	for (; *text != '\0'; text++) {
		if (*text >= ' ' && *text < 0x7f && *text != '\\')
			putchar(*text);
		else
			fwrite(escaped, 1, escape_put((unsigned char)*text, escaped), stdout);
	}
}

/* What a pipe gets, and JSON as a string; a terminal may get something shorter. NULL: there is nothing. */
static void put(struct table *t, const char *text, enum escaping how, const char *shorter, enum table_tone tone)
{
	bool first = t->at == 0;

	switch (t->way) {
	case TABLE_NULL:
		if (first && text != NULL)
			fwrite(text, 1, strlen(text) + 1, stdout);
		break;
	case TABLE_JSON:
		putchar(first ? '{' : ',');
		put_json_name(t->column[t->at].name);
		if (text == NULL)
			fputs("null", stdout);
		else if (t->column[t->at].kind == TABLE_NUMBER)
			fputs(text, stdout);
		else
			put_json(text);
		break;
	case TABLE_TABS:
		if (!first)
			putchar('\t');
		begin_tone(t, tone);
		if (text == NULL)
			putchar('-');
		else if (how == AS_IT_IS)
			fputs(text, stdout);
		else
			put_escaped(text);
		end_tone(t, tone);
		break;
	case TABLE_TERMINAL:
		hold(t, text == NULL ? "-" : shorter != NULL ? shorter : text, tone);
		break;
	}
	t->at++;
}

void table_word(struct table *t, const char *word, enum table_tone tone)
{
	put(t, word, AS_IT_IS, NULL, tone);
}

void table_text(struct table *t, const char *text)
{
	put(t, text, ESCAPED, NULL, TABLE_PLAIN);
}

void table_raw(struct table *t, const char *text)
{
	put(t, text, AS_IT_IS, NULL, TABLE_PLAIN);
}

void table_none(struct table *t)
{
	put(t, NULL, AS_IT_IS, NULL, TABLE_PLAIN);
}

void table_number(struct table *t, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)n);
	put(t, text, AS_IT_IS, NULL, TABLE_PLAIN);
}

void table_time(struct table *t, time_t when, enum table_tone tone)
{
	char iso[UTC_ISO + 1], local[64];
	struct tm tm;
	bool is_local = t->way == TABLE_TERMINAL && localtime_r(&when, &tm) != NULL &&
	    strftime(local, sizeof local, "%Y-%m-%d %H:%M %Z", &tm) > 0;

	utc_iso(when, iso);
	put(t, iso, AS_IT_IS, is_local ? local : NULL, tone);
}

void table_key(struct table *t, const unsigned char *key, size_t len)
{
	char hex[2 * 64 + 1], shorter[KEY_SHOWN + sizeof "…"];

	len = len > 64 ? 64 : len;
	bytes_hex(key, len, hex);
	snprintf(shorter, sizeof shorter, "%.*s%s", KEY_SHOWN, hex, t->utf8 ? "…" : "");
	put(t, hex, AS_IT_IS, 2 * len > KEY_SHOWN ? shorter : NULL, TABLE_PLAIN);
}

/* --- The terminal. */

static const char *mark_of(const struct table *t)
{
	return t->utf8 ? "…" : "..";
}

/* In columns. */
static size_t mark_width(const struct table *t)
{
	return t->utf8 ? 1 : 2;
}

/* How wide all columns are that are shown, when a text has so much, with the mark for those that are not. */
static size_t total(const struct table *t, size_t text_most)
{
	size_t sum = 0, shown = 0;

	for (size_t i = 0; i < t->n; i++) {
		size_t width = t->width[i];

		if (!t->shown[i])
			continue;
		shown++;
		if (t->column[i].kind == TABLE_TEXT && width > text_most)
			width = text_most > strlen(t->column[i].name) ? text_most : strlen(t->column[i].name);
		sum += width + (sum > 0 ? GAP : 0);
	}
	return shown < t->n ? sum + GAP + mark_width(t) : sum;
}

/* Leaves out the column that can best be spared. False when there is none. */
static bool leave_out(struct table *t)
{
	size_t worst = t->n;

	for (size_t i = 0; i < t->n; i++)
		if (t->shown[i] && t->column[i].spare > 0 &&
		    (worst == t->n || t->column[i].spare > t->column[worst].spare))
			worst = i;
	if (worst == t->n)
		return false;
	t->shown[worst] = false;
	return true;
}

/* The widths, by the rows that are held. */
static void lay_out(struct table *t)
{
	size_t most = TEXT_LEAST;

	for (size_t i = 0; i < t->n; i++) {
		t->shown[i] = true;
		t->width[i] = strlen(t->column[i].name);
		for (size_t row = 0; row < t->rows; row++)
			if (t->cell[row * t->n + i].width > t->width[i])
				t->width[i] = t->cell[row * t->n + i].width;
	}
	while (total(t, TEXT_LEAST) > t->columns && leave_out(t))
		;
	/* As much for each text as there is room for, the same for all. */
	while (most < t->columns && total(t, most + 1) <= t->columns)
		most++;
	for (size_t i = 0; i < t->n; i++)
		if (t->column[i].kind == TABLE_TEXT && t->width[i] > most)
			t->width[i] = most > strlen(t->column[i].name) ? most : strlen(t->column[i].name);
}

static void put_blanks(size_t n)
{
	while (n-- > 0)
		putchar(' ');
}

/* A text in so many columns, cut where it is longer. Returns how many it takes. */
static size_t put_cut(const struct table *t, const char *text, size_t width, size_t room)
{
	size_t taken, marked = room > mark_width(t) ? mark_width(t) : 0;

	if (width <= room) {
		fputs(text, stdout);
		return width;
	}
	taken = room - marked;
	fwrite(text, 1, terminal_cut(text, &taken), stdout);
	if (marked > 0)
		fputs(mark_of(t), stdout);
	return taken + marked;
}

/* One line of cells, without its end. Nothing of it is wider than the terminal: a line that wraps is worse than one that
 * is cut. Returns how wide it is. */
static size_t put_line(const struct table *t, const struct table_cell *cell)
{
	size_t at = 0, due = 0, last = t->n;

	for (size_t i = 0; i < t->n; i++)
		last = t->shown[i] ? i : last;
	for (size_t i = 0; i < t->n; i++) {
		size_t width = cell[i].width, room = t->width[i], before;

		if (!t->shown[i])
			continue;
		before = t->column[i].kind == TABLE_NUMBER && width < room ? room - width : 0;
		/* A word that came late, and is longer than those before it, moves the rest. */
		if (t->column[i].kind != TABLE_TEXT && width > room)
			room = width;
		if (at > 0 && at + GAP > due)
			due = at + GAP;
		if (due + before >= t->columns)
			break;
		put_blanks(due + before - at);
		at = due + before;
		if (room - before > t->columns - at)
			room = t->columns - at + before;
		begin_tone(t, cell[i].tone);
		at += put_cut(t, cell[i].text, width, room - before);
		end_tone(t, cell[i].tone);
		due += t->width[i] + (i < last ? GAP : 0);
	}
	return at;
}

static void put_header(struct table *t)
{
	struct table_cell name[TABLE_COLUMNS_MAX] = {{NULL, 0, TABLE_PLAIN}};
	size_t at, sum = total(t, t->columns), mark = mark_width(t);

	if (t->color)
		fputs("\033[1m", stdout);
	for (size_t i = 0; i < t->n; i++)
		name[i] = (struct table_cell){(char *)(size_t)t->column[i].name, strlen(t->column[i].name), TABLE_PLAIN};
	at = put_line(t, name);
	for (size_t i = 0; i < t->n; i++) {
		/* The mark for what is left out stands behind the last column. */
		if (t->shown[i])
			continue;
		if (sum <= t->columns) {
			put_blanks(sum - mark - at);
			fputs(mark_of(t), stdout);
		}
		break;
	}
	if (t->color)
		fputs("\033[m", stdout);
	putchar('\n');
}

/* Puts the pager in the place of stdout. */
static void begin_pager(struct table *t)
{
	fflush(stdout);
	if ((t->out = dup(STDOUT_FILENO)) < 0 || dup2(t->pager.fd, STDOUT_FILENO) < 0) {
		if (t->out >= 0)
			close(t->out);
		t->out = -1;
		return;
	}
	close(t->pager.fd);
	t->pager.fd = -1;
	/* That is for the pager, which the user sees. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
}

static void end_pager(struct table *t)
{
	if (t->out >= 0) {
		/* One that was left early has not taken everything, and need not. */
		fflush(stdout);
		clearerr(stdout);
		dup2(t->out, STDOUT_FILENO);
		close(t->out);
		t->out = -1;
	}
	pager_end(&t->pager);
}

static void begin(struct table *t)
{
	t->begun = true;
	if (t->progress != NULL)
		progress_end(t->progress);
}

/* Prints what is held. more: it is not all. */
static void flush(struct table *t, bool more)
{
	bool first = !t->begun;

	if (first) {
		begin(t);
		lay_out(t);
		/* The header takes a line, and so does the prompt that comes behind. */
		if (t->pager.pid > 0 && (more || t->rows + 2 > t->lines))
			begin_pager(t);
		put_header(t);
	}
	for (size_t row = 0; row < t->rows; row++) {
		put_line(t, &t->cell[row * t->n]);
		putchar('\n');
	}
	for (size_t i = 0; i < t->rows * t->n; i++)
		free(t->cell[i].text);
	memset(t->cell, 0, t->rows * t->n * sizeof *t->cell);
	t->rows = 0;
	if (first)
		fflush(stdout);
}

void table_row(struct table *t)
{
	if (t->way == TABLE_TABS)
		putchar('\n');
	if (t->way == TABLE_JSON)
		fputs("}\n", stdout);
	t->at = 0;
	if (t->way != TABLE_TERMINAL) {
		if (!t->begun)
			begin(t);
		return;
	}
	t->rows++;
	if (t->begun || t->rows == t->most)
		flush(t, true);
	if (t->out >= 0 && ferror(stdout)) {
		end_pager(t);
		status_end(STATUS_OK);
	}
}

void table_close(struct table *t)
{
	if (t->way == TABLE_TERMINAL) {
		if (!t->begun || t->rows > 0)
			flush(t, false);
		end_pager(t);
	}
	free(t->cell);
	t->cell = NULL;
}
