/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/escape.h"
#include "online/certsrv_message.h"
#include "x509/pem.h"

#define PLACE "/certsrv"
#define LINK "certnew.cer?reqid="
#define RENEWALS "nrenewals"
#define VERDICTS 0x80094	/* the first digits of the HRESULTs with which a CA denies requests, MS-ERREF 2.1.1 */
#define TEXT_MAX 600	/* bytes of an element that are looked at; those we want have about 200 */

/* CR_DISP_... of certcli.h. They are below 10, so it does not matter whether a page shows
 * them in decimal or hexadecimal. */
enum disposition { INCOMPLETE, ERROR, DENIED, ISSUED, OUT_OF_BAND, UNDER_SUBMISSION, REVOKED };

bool certsrv_is_id(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n > 0 && n <= CERTSRV_ID_MAX && text[n] == '\0' && *text != '0' &&
	    strtoull(text, NULL, 10) <= UINT32_MAX;
}

int certsrv_base(const char *url, char out[CERTSRV_URL_MAX + 1], struct reason *why)
{
	static const char scheme[] = "https://";
	const char *host = url + strlen(scheme);
	size_t len = strlen(url);

	/* Over http:// anybody between us and the CA could use our credentials for requests of his own. */
	if (strncasecmp(url, scheme, strlen(scheme)) != 0)
		return reason_set(why, "url does not begin with https://: certsrv is asked over TLS alone");
	for (size_t i = 0; i < len; i++)
		if (url[i] <= ' ' || url[i] == 0x7f || strchr("?#@\\", url[i]) != NULL)
			return reason_set(why, "url has an illegal character: https://HOST or https://HOST/certsrv");
	while (len > strlen(scheme) && url[len - 1] == '/')
		len--;
	if (len == strlen(scheme) || *host == '/')
		return reason_set(why, "url names no host: https://HOST or https://HOST/certsrv");
	if (len + strlen(PLACE) > CERTSRV_URL_MAX)
		return reason_set(why, "url is too long");
	snprintf(out, CERTSRV_URL_MAX + 1, "%.*s%s", (int)len, url,
	    memchr(host, '/', len - strlen(scheme)) != NULL ? "" : PLACE);
	return 0;
}

/* application/x-www-form-urlencoded. A '+' of base64 that stays as it is would arrive as a space. */
static void put_encoded(struct buf *b, struct bytes value)
{
	static const char plain[] = "-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	char hex[4] = "%";

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = value.p[i];

		if (c != '\0' && strchr(plain, c) != NULL)
			buf_put_u8(b, c);
		else if (c == ' ')
			buf_put_u8(b, '+');
		else {
			snprintf(hex + 1, sizeof hex - 1, "%02X", c);
			buf_put(b, hex, 3);
		}
	}
}

static void put(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

void certsrv_put_form(struct buf *b, struct bytes request, const char *template)
{
	/* The fields that the page certrqxt.asp sends. [public] */
	put(b, "Mode=newreq&CertRequest=");
	put_encoded(b, request);
	put(b, "&CertAttrib=");
	if (*template != '\0') {
		put_encoded(b, (struct bytes){(const unsigned char *)"CertificateTemplate:", 20});
		put_encoded(b, (struct bytes){(const unsigned char *)template, strlen(template)});
		put_encoded(b, (struct bytes){(const unsigned char *)"\r\n", 2});
	}
	put(b, "&FriendlyType=Saved-Request+Certificate&TargetStoreFlags=0&SaveCert=yes");
}

/* What a page consists of: tags, and the text between them. */
struct token {
	bool tag;
	struct bytes name;	/* of a tag; with its '/' when it ends an element */
	struct bytes body;	/* of a tag: its attributes; else the text */
};

static bool is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is(struct bytes text, const char *word)
{
	return text.len == strlen(word) && strncasecmp((const char *)text.p, word, text.len) == 0;
}

/* Where a word stands in some bytes, upper or lower case; it begins with a character that has no case or is given in
 * small letters. NULL when nowhere. */
static const unsigned char *find(struct bytes in, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= in.len; i++)
		if (strncasecmp((const char *)in.p + i, word, len) == 0)
			return in.p + i;
	return NULL;
}

static void cut_to(struct bytes *in, const unsigned char *p)
{
	in->len -= (size_t)(p - in->p);
	in->p = p;
}

/* The end of the tag that begins here: its '>', which is not one in the quotes of a value. NULL when there is none. */
static const unsigned char *tag_end(struct bytes in)
{
	unsigned char quote = 0, last = 0;

	for (size_t i = 1; i < in.len; i++) {
		unsigned char c = in.p[i];

		if (quote != 0)
			quote = c == quote ? 0 : quote;
		else if (c == '>')
			return in.p + i;
		else if ((c == '"' || c == '\'') && last == '=')
			quote = c;
		if (!is_space(c))
			last = c;
	}
	return NULL;
}

/* Takes the next token off. Comments are left out, and so are scripts and styles. False at the end; a tag or a comment
 * without an end is the end. */
static bool next_token(struct bytes *in, struct token *t)
{
	const unsigned char *end;

	while (in->len > 0 && *in->p == '<') {
		if (in->len >= 4 && memcmp(in->p, "<!--", 4) == 0) {
			if ((end = memmem(in->p + 4, in->len - 4, "-->", 3)) == NULL)
				return false;
			cut_to(in, end + 3);
			continue;
		}
		if ((end = tag_end(*in)) == NULL)
			return false;
		*t = (struct token){.tag = true, .body = {in->p + 1, (size_t)(end - in->p) - 1}};
		cut_to(in, end + 1);
		t->name.p = t->body.p;
		while (t->name.len < t->body.len && !is_space(t->body.p[t->name.len]))
			t->name.len++;
		cut_to(&t->body, t->body.p + t->name.len);
		if (is(t->name, "script") || is(t->name, "style")) {
			if ((end = find(*in, is(t->name, "style") ? "</style" : "</script")) == NULL)
				return false;
			cut_to(in, end);
		}
		return true;
	}
	if (in->len == 0)
		return false;
	end = memchr(in->p, '<', in->len);
	*t = (struct token){.body = {in->p, end != NULL ? (size_t)(end - in->p) : in->len}};
	cut_to(in, in->p + t->body.len);
	return true;
}

/* The ID of an element, in quotes or without. Empty when it has none. */
static struct bytes id_of(struct bytes body)
{
	struct bytes value = {0};

	for (size_t i = 1; i + 3 <= body.len; i++) {
		if (!is_space(body.p[i - 1]) && i != 1)
			continue;
		if (strncasecmp((const char *)body.p + i, "id=", 3) != 0)
			continue;
		cut_to(&body, body.p + i + 3);
		if (body.len > 0 && (*body.p == '"' || *body.p == '\''))
			cut_to(&body, body.p + 1);
		value.p = body.p;
		while (value.len < body.len && !is_space(body.p[value.len]) && strchr("\"'", body.p[value.len]) == NULL)
			value.len++;
		return value;
	}
	return value;
}

/* The parts of a page that say something. */
enum part { NOWHERE, REQUEST, REASON, DISPOSITION, MESSAGE, RESULT, STATUS, PARTS };

/* The elements that are known, all [public]: of certfnsh.asp's pages for pending and denied requests, and of the page
 * of errors, in whose list each label is followed by a <DD> with what it is about. */
static const struct {
	const char *id;
	enum part part;
	bool label;
} elements[] = {
	{"locInfoReqID", REQUEST, false},
	{"locInfoReqIDandReason", REASON, false},
	{"locDispLabel", DISPOSITION, true},
	{"locDispMsgLabel", MESSAGE, true},
	{"locResultLabel", RESULT, true},
	{"locLastStatLabel", STATUS, true},
};

struct text {
	char s[TEXT_MAX + 1];
	size_t len;
	bool there;
};

struct reading {
	struct text parts[PARTS];
	enum part now, label;		/* where text goes; where it will go behind the next <DD> */
	bool denied;			/* there is the element locDenied */
	unsigned tables;		/* the name of the CA stands in one, and may have numbers in it */
	bool head;
	char number[CERTSRV_ID_MAX + 1];	/* the only one in the rest of the text, */
	bool numbers;			/* unless there are several */
	uint32_t code;			/* the first error in it */
};

/* Appends text, white space as one space, and with the few entities that are met in messages. */
static void take_text(struct text *to, struct bytes from)
{
	static const struct {
		const char *name;
		char means;
	} entities[] = {
		{"&quot;", '"'}, {"&nbsp;", ' '}, {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&#39;", '\''},
	};

	while (from.len > 0 && to->len < TEXT_MAX) {
		char c = (char)*from.p;
		size_t n = 1;

		for (size_t i = 0; c == '&' && i < sizeof entities / sizeof entities[0]; i++) {
			size_t len = strlen(entities[i].name);

			if (from.len >= len && memcmp(from.p, entities[i].name, len) == 0) {
				c = entities[i].means;
				n = len;
			}
		}
		cut_to(&from, from.p + n);
		if (c == '\0' || is_space((unsigned char)c))
			c = ' ';
		if (c != ' ' || (to->len > 0 && to->s[to->len - 1] != ' '))
			to->s[to->len++] = c;
	}
	to->s[to->len] = '\0';
}

static bool is_word(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Takes the next number off that stands alone, as "26" in "is 26." and neither in "0x26", "CA07", "1.5", "-26" nor
 * "1,000". A letter that is not ASCII may be next to it: Japanese has no spaces. */
static bool next_number(struct bytes *in, char out[CERTSRV_ID_MAX + 1])
{
	for (size_t i = 0, n; i < in->len; i += n > 0 ? n : 1) {
		const unsigned char *p = in->p + i;
		size_t left = in->len - i;
		bool joined = i > 0 && (is_word(p[-1]) || strchr(".,-+&#%=/", p[-1]) != NULL);

		for (n = 0; n < left && p[n] >= '0' && p[n] <= '9'; n++)
			;
		joined = joined || (n < left && (is_word(p[n]) || p[n] == '%')) ||
		    (n + 1 < left && (p[n] == '.' || p[n] == ',') && is_word(p[n + 1]));
		if (n == 0 || n > CERTSRV_ID_MAX || joined)
			continue;
		memcpy(out, p, n);
		out[n] = '\0';
		if (!certsrv_is_id(out))
			continue;
		cut_to(in, p + n);
		return true;
	}
	return false;
}

/* The first HRESULT in a text that is an error, 0x8... or 0xC...; 0 when there is none. */
static uint32_t find_code(struct bytes in)
{
	while (in.len >= 10) {
		char digits[9] = "";
		const unsigned char *p = memmem(in.p, in.len, "0x", 2);
		unsigned long code;

		if (p == NULL)
			return 0;
		cut_to(&in, p + 2);
		if (in.len < 8)
			return 0;
		memcpy(digits, in.p, 8);
		if (strspn(digits, "0123456789abcdefABCDEF") != 8 || (in.len > 8 && is_word(in.p[8])))
			continue;
		code = strtoul(digits, NULL, 16);
		if (code & 0x80000000)
			return (uint32_t)code;
	}
	return 0;
}

/* Text that is in none of the known elements. */
static void look_at(struct reading *r, struct bytes text)
{
	char number[CERTSRV_ID_MAX + 1];

	if (r->code == 0)
		r->code = find_code(text);
	while (!r->numbers && next_number(&text, number)) {
		r->numbers = r->number[0] != '\0' && strcmp(r->number, number) != 0;
		strcpy(r->number, number);
	}
}

/* Does an element of this kind end what went before? */
static bool ends_text(struct bytes name)
{
	static const char *const blocks[] = {
		"p", "dd", "dt", "dl", "div", "span", "form", "table", "hr", "body", "html",
	};

	if (name.len > 0 && *name.p == '/')
		cut_to(&name, name.p + 1);
	for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
		if (is(name, blocks[i]))
			return true;
	return false;
}

static void read_tag(struct reading *r, const struct token *t)
{
	struct bytes id = id_of(t->body);

	if (is(t->name, "table"))
		r->tables++;
	else if (is(t->name, "/table"))
		r->tables -= r->tables > 0;
	else if (is(t->name, "head") || is(t->name, "/head"))
		r->head = t->name.len == 4;
	if (ends_text(t->name))
		r->now = NOWHERE;
	else
		take_text(&r->parts[r->now], (struct bytes){(const unsigned char *)" ", 1});
	if (is(t->name, "dd")) {
		r->now = r->label;
		r->label = NOWHERE;
	}
	/* The number of the disposition ends here, and its name in some language begins. */
	if (is(id, "locDispSpacer") && r->now == DISPOSITION)
		r->now = NOWHERE;
	r->denied = r->denied || is(id, "locDenied");
	for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
		enum part part = elements[i].part;

		if (!is(id, elements[i].id) || r->parts[part].there)
			continue;
		r->parts[part].there = true;
		*(elements[i].label ? &r->label : &r->now) = part;
	}
}

/* The number in the links to a certificate. "" when there is none, or several differ. They are in scripts, too. */
static void find_link(struct bytes page, char out[CERTSRV_ID_MAX + 1])
{
	const unsigned char *p;

	out[0] = '\0';
	while ((p = find(page, LINK)) != NULL) {
		char id[CERTSRV_ID_MAX + 1] = "";
		size_t n = 0;

		cut_to(&page, p + strlen(LINK));
		while (n < page.len && page.p[n] >= '0' && page.p[n] <= '9')
			n++;
		if (n == 0 || n > CERTSRV_ID_MAX || n == page.len || page.p[n] != '&')
			continue;
		memcpy(id, page.p, n);
		if (!certsrv_is_id(id))
			continue;
		if (out[0] != '\0' && strcmp(out, id) != 0) {
			out[0] = '\0';
			return;
		}
		strcpy(out, id);
	}
}

static struct bytes bytes_of(const struct text *t)
{
	return (struct bytes){(const unsigned char *)t->s, t->len};
}

/* What a text says, printable. Of a sentence with something in quotes, only that: it is the CA's message. */
static void say(char out[CERTSRV_SAID_MAX + 1], const struct text *t)
{
	struct bytes s = bytes_of(t);
	const unsigned char *first = memchr(s.p, '"', s.len), *last = memrchr(s.p, '"', s.len);
	size_t n = 0;

	if (first != NULL && last > first + 1)
		s = (struct bytes){first + 1, (size_t)(last - first) - 1};
	while (s.len > 0 && s.p[s.len - 1] == ' ')
		s.len--;
	for (size_t i = 0; i < s.len && n + ESCAPE_LEN <= CERTSRV_SAID_MAX; i++)
		if (s.p[i] >= ' ' && s.p[i] < 0x7f)
			out[n++] = (char)s.p[i];
		else
			n += escape_put(s.p[i], out + n);
	out[n] = '\0';
}

/* The number in a text, when it is the only one or the first will do. */
static bool number_in(const struct text *t, bool first, char out[CERTSRV_ID_MAX + 1])
{
	struct bytes text = bytes_of(t);
	char more[CERTSRV_ID_MAX + 1];

	if (next_number(&text, out) && (first || !next_number(&text, more)))
		return true;
	out[0] = '\0';
	return false;
}

/* The page of errors: certnew.cer's answer for whatever has no certificate, and certfnsh.asp's for what failed. */
static void judge_errors(const struct reading *r, struct certsrv_page *page)
{
	static const enum part order[] = {MESSAGE, STATUS, RESULT};
	const char *number = r->parts[DISPOSITION].s;
	char *end;
	unsigned long n = strtoul(number, &end, 16);

	if (end != number && n <= 0xff && *number != '-' && (*end == ' ' || *end == '\0'))
		page->disposition = (int)n;
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
		const struct text *t = &r->parts[order[i]];

		if (page->code == 0)
			page->code = find_code(bytes_of(t));
		if (page->said[0] == '\0')
			say(page->said, t);
	}
	page->state = CERTSRV_FAILED;
	if (page->disposition == UNDER_SUBMISSION)
		page->state = CERTSRV_PENDING;
	else if (page->disposition == DENIED || page->disposition == REVOKED)
		page->state = CERTSRV_DENIED;
}

static void judge(const struct reading *r, struct bytes all, struct certsrv_page *page)
{
	const struct text *reason = &r->parts[r->parts[REASON].there ? REASON : REQUEST];

	if (r->denied || r->parts[REASON].there) {
		page->state = CERTSRV_DENIED;
		page->code = find_code(bytes_of(reason));
		if (page->code == 0)
			page->code = r->code;
		/* The number stands in front of the message, in the languages that were seen; nothing depends on it. */
		number_in(reason, true, page->id);
		say(page->said, reason);
	} else if (r->parts[REQUEST].there) {
		if (number_in(&r->parts[REQUEST], false, page->id))
			page->state = CERTSRV_PENDING;
	} else if (r->parts[DISPOSITION].there)
		judge_errors(r, page);
	else if (find_link(all, page->id), page->id[0] != '\0')
		page->state = CERTSRV_ISSUED;
	else {
		/* None of the known IDs. [unknown] whether there are such pages. */
		page->code = r->code;
		if (r->code != 0)
			page->state = r->code >> 12 == VERDICTS ? CERTSRV_DENIED : CERTSRV_FAILED;
		else if (r->number[0] != '\0' && !r->numbers) {
			page->state = CERTSRV_NUMBERED;
			strcpy(page->id, r->number);
		}
	}
}

void certsrv_read_page(struct bytes all, struct certsrv_page *page)
{
	struct reading r = {.now = NOWHERE};
	struct bytes rest = all;
	struct token t;

	*page = (struct certsrv_page){.state = CERTSRV_UNREADABLE, .disposition = -1};
	while (next_token(&rest, &t))
		if (t.tag)
			read_tag(&r, &t);
		else if (r.now != NOWHERE)
			take_text(&r.parts[r.now], t.body);
		else if (r.tables == 0 && !r.head)
			look_at(&r, t.body);
	judge(&r, all, page);
}

/* MS-ERREF 2.1.1. */
static const struct {
	uint32_t code;
	const char *text;
} codes[] = {
	{0x80094014, "a manager of the CA denied it"},
	{0x80094012, "the user may not enrol with this template: grant him Enroll"},
	{0x80094011, "the user may not enrol with this CA"},
	{0x80094800, "the CA does not issue this template: look at template"},
	{0x80094801, "the CA wants a template: set template"},
	{0x80094811, "the key is too short for the template"},
	{0x80094809, "the template wants an enrolment agent's signature: set agent"},
	{0x8009480a, "the template wants an enrolment agent's signature: set agent"},
	{0x8009480b, "the template does not take this enrolment agent's signature"},
	{0x80094001, "the CA does not take this subject"},
	{0x80090006, "the CA does not take the request's signature"},
};

const char *certsrv_code_text(uint32_t code)
{
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].code == code)
			return codes[i].text;
	return NULL;
}

bool certsrv_code_unreachable(uint32_t code)
{
	return code == 0x800706ba;	/* RPC_S_SERVER_UNAVAILABLE: the web server found no CA behind it */
}

bool certsrv_renewals(struct bytes page, char out[CERTSRV_ID_MAX + 1])
{
	const unsigned char *p;
	size_t n = 0;

	/* "var nRenewals=N;", in a script. [public] */
	while ((p = find(page, RENEWALS)) != NULL) {
		cut_to(&page, p + strlen(RENEWALS));
		while (page.len > 0 && (is_space(*page.p) || *page.p == '='))
			cut_to(&page, page.p + 1);
		for (n = 0; n < page.len && page.p[n] >= '0' && page.p[n] <= '9'; n++)
			;
		if (n > 0 && n < 6 && n < page.len && (page.p[n] == ';' || is_space(page.p[n]))) {
			memcpy(out, page.p, n);
			out[n] = '\0';
			return true;
		}
	}
	return false;
}

int certsrv_put_certificate(struct bytes in, struct buf *out, struct reason *why)
{
	size_t len;
	bool pem;
	unsigned char *der = pem_unwrap(in.p, in.len, DER_CERT, true, &len, &pem, why);

	if (der == NULL)
		return -1;
	buf_put(out, der, len);
	free(der);
	return out->failed ? reason_memory(why) : 0;
}
