/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "site/columns.h"

#define WORDS_MAX 64		/* longer than any heading or value below */

const char *const column_dates[] = {"iso", "dmy", "mdy", NULL};

/* As letters and digits only, so that case and blanks do not count. */
static const struct {
	const char *heading;
	int column;
} columns[] = {
	{"device", COLUMN_DEVICE}, {"devicename", COLUMN_DEVICE},
	{"macaddress", COLUMN_MAC}, {"mac", COLUMN_MAC},
	{"description", PHONE_F_DESCRIPTION},
	{"operation", PHONE_F_OPERATION}, {"certificateoperation", PHONE_F_OPERATION},
	{"auth", PHONE_F_AUTH}, {"authenticationmode", PHONE_F_AUTH},
	{"string", PHONE_F_STRING}, {"authenticationstring", PHONE_F_STRING},
	{"keyorder", PHONE_F_KEY_ORDER},
	{"rsa", PHONE_F_RSA}, {"keysize", PHONE_F_RSA}, {"keysizebits", PHONE_F_RSA},
	{"rsakeysize", PHONE_F_RSA}, {"rsakeysizebits", PHONE_F_RSA},
	{"ec", PHONE_F_EC}, {"eckeysize", PHONE_F_EC}, {"eckeysizebits", PHONE_F_EC},
	{"completeby", PHONE_F_COMPLETE_BY}, {"operationcompletesby", PHONE_F_COMPLETE_BY},
	{"template", PHONE_F_TEMPLATE},
	{"status", COLUMN_STATUS},
	{"reason", COLUMN_REPORT}, {"when", COLUMN_REPORT}, {"scheduled", COLUMN_REPORT},
	{"attempts", COLUMN_REPORT}, {"wrongstrings", COLUMN_REPORT}, {"version", COLUMN_REPORT},
	{"lsc", COLUMN_REPORT}, {"expires", COLUMN_REPORT}, {"stale", COLUMN_REPORT},
};

/* The vendor's words for ours; ours in another case. */
static const struct {
	enum phone_field field;
	const char *theirs, *ours;
} values[] = {
	{PHONE_F_OPERATION, "none", "none"}, {PHONE_F_OPERATION, "nopendingoperation", "none"},
	{PHONE_F_OPERATION, "install", "install"}, {PHONE_F_OPERATION, "installupgrade", "install"},
	{PHONE_F_OPERATION, "delete", "delete"}, {PHONE_F_OPERATION, "troubleshoot", "troubleshoot"},
	{PHONE_F_AUTH, "string", "string"}, {PHONE_F_AUTH, "byauthenticationstring", "string"},
	{PHONE_F_AUTH, "null", "null"}, {PHONE_F_AUTH, "bynullstring", "null"},
	{PHONE_F_AUTH, "existinglsc", "existing-lsc"},
	{PHONE_F_AUTH, "byexistingcertificateprecedencetolsc", "existing-lsc"},
	{PHONE_F_AUTH, "existingmic", "existing-mic"},
	{PHONE_F_AUTH, "byexistingcertificateprecedencetomic", "existing-mic"},
	{PHONE_F_KEY_ORDER, "rsa", "rsa"}, {PHONE_F_KEY_ORDER, "rsaonly", "rsa"},
	{PHONE_F_KEY_ORDER, "ec", "ec"}, {PHONE_F_KEY_ORDER, "econly", "ec"},
	{PHONE_F_KEY_ORDER, "ecrsa", "ec-rsa"}, {PHONE_F_KEY_ORDER, "ecpreferredrsabackup", "ec-rsa"},
};

/* Only letters, small, and digits. "" when there are too many. */
static void squeeze(const char *text, char out[WORDS_MAX + 1])
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		char c = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;

		/* What else there is makes another word of it. */
		if (strchr(" -_/.,():*", c) != NULL)
			continue;
		if (n == WORDS_MAX) {
			n = 0;
			break;
		}
		out[n++] = c;
	}
	out[n] = '\0';
}

int column_find(const char *heading)
{
	char word[WORDS_MAX + 1];

	squeeze(heading, word);
	for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
		if (strcmp(columns[i].heading, word) == 0)
			return columns[i].column;
	return COLUMN_OTHER;
}

/* A number of up to so many digits, and goes on behind it. */
static bool take_number(const char **text, int digits, int *out)
{
	int n = 0;

	for (*out = 0; n < digits && **text >= '0' && **text <= '9'; n++)
		*out = *out * 10 + *(*text)++ - '0';
	return n > 0 && (**text < '0' || **text > '9');
}

/* "", " 08:00" or " 08:00:00", as spreadsheets write it behind a date. Without a time the hour is -1. */
static bool take_time(const char *text, int clock[3])
{
	memset(clock, 0, 3 * sizeof *clock);
	if (*text == '\0') {
		clock[0] = -1;
		return true;
	}
	if (*text++ != ' ' || !take_number(&text, 2, &clock[0]) || *text++ != ':' || !take_number(&text, 2, &clock[1]))
		return false;
	return *text == '\0' || (*text++ == ':' && take_number(&text, 2, &clock[2]) && *text == '\0');
}

/* ":08", the end of the vendor's dates. */
static bool hours(const char *text, int clock[3])
{
	memset(clock, 0, 3 * sizeof *clock);
	return *text++ == ':' && take_number(&text, 2, &clock[0]) && *text == '\0';
}

/* Writes a date, and a time if there is one, as when_parse reads them; it also finds out whether there is such a day. */
static const char *iso(int year, int month, int day, const int clock[3], char out[COLUMN_CELL_MAX])
{
	int n = snprintf(out, COLUMN_CELL_MAX, "%04d-%02d-%02d", year, month, day);

	if (clock[0] >= 0)
		snprintf(out + n, COLUMN_CELL_MAX - (size_t)n, " %02d:%02d:%02d", clock[0], clock[1], clock[2]);
	return out;
}

/* Dates of spreadsheets, and the vendor's YYYY:MM:DD:HH. Everything else is left as it is. */
static const char *date(const char *cell, enum column_dates dates, char out[COLUMN_CELL_MAX], struct reason *why)
{
	const char *p = cell;
	int n[3], clock[3];
	char mark;

	if (!take_number(&p, 4, &n[0]) || *p == '\0' || strchr("-./:", *p) == NULL)
		return cell;
	mark = *p++;
	if (!take_number(&p, 2, &n[1]) || *p++ != mark || !take_number(&p, 4, &n[2]))
		return cell;
	/* A day or a month of more digits: iso has room for two. */
	if (n[1] > 99 || (n[0] > 99 && n[2] > 99))
		return cell;
	if (mark == ':')
		return hours(p, clock) && n[0] > 999 ? iso(n[0], n[1], n[2], clock, out) : cell;
	if (!take_time(p, clock))
		return cell;
	if (mark == '-' && n[0] > 999)
		return *p == '\0' ? cell : iso(n[0], n[1], n[2], clock, out);
	if (dates == COLUMN_DATES_ISO) {
		reason_set(why, "\"%.20s\" is no date here; --dates dmy reads 31.12.2026, --dates mdy 12/31/2026", cell);
		return NULL;
	}
	if (n[2] < 1000) {
		reason_set(why, "\"%.20s\": a year has four digits", cell);
		return NULL;
	}
	return iso(n[2], n[dates == COLUMN_DATES_DMY], n[dates == COLUMN_DATES_MDY], clock, out);
}

const char *column_value(enum phone_field field, const char *cell, enum column_dates dates, char out[COLUMN_CELL_MAX],
    struct reason *why)
{
	char word[WORDS_MAX + 1];

	if (field == PHONE_F_COMPLETE_BY)
		return date(cell, dates, out, why);
	squeeze(cell, word);
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		if (values[i].field == field && strcmp(values[i].theirs, word) == 0)
			return values[i].ours;
	return cell;
}
