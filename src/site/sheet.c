/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/utc.h"
#include "site/sheet.h"

const char *sheet_press(const struct phone *p)
{
	/* Whatever the operation is, "Update" begins a session. Where LSC is depends on the model. */
	if (p->auth == PHONE_BY_STRING)
		return "LSC > Update, type the string, Submit";
	return "nothing: restart the phone, it does the rest";
}

static void put(struct buf *out, const char *html)
{
	buf_put(out, html, strlen(html));
}

static void put_text(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		switch (*text) {
		case '&':
			put(out, "&amp;");
			break;
		case '<':
			put(out, "&lt;");
			break;
		case '>':
			put(out, "&gt;");
			break;
		case '"':
			put(out, "&quot;");
			break;
		default:
			buf_put(out, text, 1);
		}
}

void sheet_begin(struct buf *out, time_t now)
{
	char iso[UTC_ISO + 1];

	utc_iso(now, iso);
	put(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Phones to visit</title>\n"
	    "<style>\n"
	    "body { font: 11pt sans-serif; }\n"
	    "table { border-collapse: collapse; width: 100%; }\n"
	    "th, td { border: 1px solid #888; padding: 4pt; text-align: left; }\n"
	    "td:nth-child(1), td:nth-child(3) { font-family: monospace; white-space: nowrap; }\n"
	    "td:nth-child(3) { font-size: 14pt; }\n"
	    "thead { display: table-header-group; }\n"
	    "tr { break-inside: avoid; }\n"
	    "</style>\n</head>\n<body>\n<h1>Phones to visit</h1>\n<p>As of ");
	put(out, iso);
	put(out, ". Whoever has this page can use the strings: destroy it afterwards.</p>\n<table>\n<thead>\n"
	    "<tr><th>device</th><th>description</th><th>string</th><th>what to press</th><th>done</th></tr>\n"
	    "</thead>\n<tbody>\n");
}

void sheet_row(struct buf *out, const char *device, const char *description, const char *string, const char *press)
{
	const char *const cell[] = {device, description, string, press, ""};

	put(out, "<tr>");
	for (size_t i = 0; i < sizeof cell / sizeof cell[0]; i++) {
		put(out, "<td>");
		put_text(out, cell[i]);
		put(out, "</td>");
	}
	put(out, "</tr>\n");
}

void sheet_end(struct buf *out)
{
	/* As capf-phones(7) has it. */
	put(out, "</tbody>\n</table>\n<p>Where LSC is: on a phone of the 7900 series in Settings &gt; Security Configuration, "
	    "which **# unlocks; of the 8800 series in Applications &gt; Admin Settings &gt; Security Setup. "
	    "Menus of others differ.</p>\n</body>\n</html>\n");
}
