/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/options_help.h"
#include "cli/status.h"

#define WIDTH 79
#define COLUMN 26		/* where the text of an option begins */
#define TEXT_MAX 1024

static const struct option_spec common[] = {
	{'h', "help", OPTION_FLAG, NULL, NULL, "show this help", NULL, 0, 0},
	{'V', "version", OPTION_FLAG, NULL, NULL, "show the version", NULL, 0, 0},
	{0, "require-sandbox", OPTION_FLAG, NULL, NULL, "exit with 100 if the kernel cannot confine the program fully",
	 NULL, 0, 0},
	{0},
};

static void add(char text[TEXT_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(char text[TEXT_MAX], const char *fmt, ...)
{
	size_t n = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + n, TEXT_MAX - n, fmt, ap);
	va_end(ap);
}

/* The values that an option takes: limits, words or a form. */
static void add_values(char text[TEXT_MAX], const struct option_spec *o)
{
	if (o->kind == OPTION_NUMBER)
		add(text, "%ld to %ld", o->least, o->most);
	if (o->kind == OPTION_TIME)
		add(text, "such as 2026-01-31");
	if (o->kind == OPTION_SPAN)
		add(text, "such as 12h or 7d");
	if (o->kind == OPTION_TEXTS)
		add(text, "up to %ld times", o->most);
	for (size_t i = 0; o->words != NULL && o->words[i] != NULL; i++)
		add(text, i > 0 ? ", %s" : "%s", o->words[i]);
}

/* A number that cannot be given, an empty text and a span of nothing are no defaults: the program chooses then. */
static void add_default(char text[TEXT_MAX], const struct option_spec *o)
{
	const char *before = *text != '\0' ? "; default" : "default", *word = NULL;
	char escaped[TEXT_MAX];
	long number;
	int index;

	switch (o->kind) {
	case OPTION_TEXT:
	case OPTION_WORD:
		word = *(const char **)o->into;
		break;
	case OPTION_INDEX:
		index = *(int *)o->into;
		word = index >= 0 ? o->words[index] : NULL;
		break;
	case OPTION_NUMBER:
		number = *(long *)o->into;
		if (number >= o->least && number <= o->most)
			add(text, "%s %ld", before, number);
		break;
	case OPTION_SPAN:
		if (*(time_t *)o->into > 0)
			add(text, "%s %llds", before, (long long)*(time_t *)o->into);
		break;
	case OPTION_CLOCK:
		word = "now";
		break;
	default:
		break;
	}
	if (word != NULL && *word != '\0')
		add(text, "%s %s", before, status_escape(word, escaped, sizeof escaped));
}

/* The words of text from COLUMN on, in as many lines as they need; at is where the line ends now. */
static void wrap(const char *text, int at)
{
	int start = COLUMN;

	if (at > COLUMN - 2) {
		putchar('\n');
		at = 0;
	}
	while (*text != '\0') {
		int n = (int)strcspn(text, " ");

		if (at > start && at + 1 + n > WIDTH) {
			putchar('\n');
			at = 0;
		}
		at += printf("%*s%.*s", at < start ? start - at : 1, "", n, text);
		text += n + (text[n] == ' ');
	}
	putchar('\n');
}

static void help_line(const struct option_spec *o)
{
	char name[TEXT_MAX] = "", values[TEXT_MAX] = "", text[TEXT_MAX] = "";

	if (o->letter != 0)
		add(name, "  -%c, --%s", o->letter, o->name);
	else
		add(name, "      --%s", o->name);
	if (o->value != NULL)
		add(name, o->kind == OPTION_MAYBE ? "[=%s]" : "=%s", o->value);
	add_values(values, o);
	add_default(values, o);
	add(text, "%s", o->help);
	if (*values != '\0')
		add(text, " (%s)", values);
	wrap(text, printf("%s", name));
}

void options_help(const struct option_spec *spec)
{
	printf("usage: %s [--require-sandbox] %s\n\n%s\n\n", program, synopsis, purpose);
	for (; spec->name != NULL; spec++)
		help_line(spec);
	for (const struct option_spec *o = common; o->name != NULL; o++)
		help_line(o);
	printf("\nThe manual page is %s(1).\n", program);
}

static void list_line(const struct option_spec *o)
{
	static const char *const kinds[] = {[OPTION_FLAG] = "flag", [OPTION_TEXT] = "text", [OPTION_TEXTS] = "texts",
	    [OPTION_MAYBE] = "maybe", [OPTION_NUMBER] = "number", [OPTION_CLOCK] = "clock", [OPTION_TIME] = "time",
	    [OPTION_SPAN] = "span", [OPTION_WORD] = "word", [OPTION_INDEX] = "word"};

	printf("%c\t%s\t%s\t%s\t", o->letter != 0 ? o->letter : '-', o->name, kinds[o->kind],
	    o->value != NULL ? o->value : "-");
	if (o->words == NULL)
		putchar('-');
	for (size_t i = 0; o->words != NULL && o->words[i] != NULL; i++)
		printf(i > 0 ? ",%s" : "%s", o->words[i]);
	printf("\t%s\n", o->help);
}

void options_list(const struct option_spec *spec)
{
	for (; spec->name != NULL; spec++)
		list_line(spec);
	for (const struct option_spec *o = common; o->name != NULL; o++)
		list_line(o);
}
