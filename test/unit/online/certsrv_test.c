/* SPDX-License-Identifier: ISC */
#include <time.h>

#include "../mint.h"
#include "online/certsrv.h"
#include "online/certsrv_message.h"
#include "site/asked.h"
#include "x509/key.h"
#include "x509/pem.h"

/* The frame that all pages have: the name of the CA has a number in it, and so have the tags. */
#define TOP "<HTML>\r\n<Head>\n<Meta HTTP-Equiv=\"Content-Type\" Content=\"text/html; charset=UTF-8\">\n" \
	"<Title>Certificate Services 2</Title>\n</Head>\n<Body BgColor=#FFFFFF Link=#0000FF><Font ID=locPageFont " \
	"Face=\"Arial\">\n<Table Border=0 CellPadding=4 Width=100% BgColor=#008080>\n<TR><TD><LocID ID=locMSCertSrv>" \
	"Certificate Services &nbsp;--&nbsp; Lab 7 &nbsp;</LocID></TD></TR>\n</Table>\n"
#define BOTTOM "<!-- Green HR --><Table Width=100%><TR><TD><Img Src=\"a.gif\" Height=2></TD></TR></Table>\n" \
	"</Font>\n</Body>\n</HTML>\n"
#define DAYS "<P ID=locTimeoutWarning><Font Size=-1><B>Note:</B> within 10 days</Font></P>\n"
#define ERRORS(number, message, status) TOP "<P ID=locPageTitle> <B> Error </B>\n<DL>\n<DT ID=locModeLabel><Font " \
	"Size=-1><B>Mode:</B></Font></DT><DD>\n\t\t <LocID ID=locModeSpacer>-</LocID>\n</DD>\n<DT ID=locDispLabel>" \
	"<Font Size=-1><B>Disposition :</B></Font></DT><DD>\n\t\t" number " <LocID ID=locDispSpacer>-</LocID> \n\t" \
	"<LocID ID=locDispUnknown>(unbekannt 3)</LocID>\n</DD>\n<DT ID=locDispMsgLabel><B>Message:</B></DT><DD>\n\t\t" \
	message "\n</DD>\n<DT ID=locResultLabel><B>Result:</B></DT><DD>\n\t\tGood. 0x0 (WIN32: 0)\n</DD>\n" \
	"<DT ID=locLastStatLabel><B>LastStatus:</B></DT><DD>\n\t\t" status "\n</DD></DL>\n" BOTTOM

static const struct certsrv_page *read_page(const char *text)
{
	static struct certsrv_page page;

	certsrv_read_page((struct bytes){(const unsigned char *)text, strlen(text)}, &page);
	return &page;
}

static void is(const char *text, enum certsrv_state state, const char *id, const char *what)
{
	const struct certsrv_page *p = read_page(text);

	if (!ok(p->state == state && strcmp(p->id, id) == 0, "%s", what))
		printf("# state %d, number \"%s\", disposition %d, 0x%08x, says \"%s\"\n", p->state, p->id, p->disposition,
		    p->code, p->said);
}

static void test_issued(void)
{
	is(TOP "<P ID=locInfo> Issued 4 you.</P>\n<A Href=\"certnew.cer?ReqID=25&Enc=bin\">a</A><A "
	    "Href=\"certnew.cer?ReqID=25&amp;Enc=b64\">b</A><A Href=\"certnew.p7b?ReqID=25&Enc=b64\">c</A>" BOTTOM,
	    CERTSRV_ISSUED, "25", "links");
	is(TOP "<Script Language=\"JavaScript\">\nfunction get(){ location=\"CertNew.cer?reqid=4294967295&\"+enc(); }\n"
	    "</Script>" BOTTOM, CERTSRV_ISSUED, "4294967295", "a link in a script");
	is(TOP "<A Href=\"certnew.cer?ReqID=25&Enc=bin\">a</A><A Href=\"certnew.cer?ReqID=26&Enc=bin\">a</A>" BOTTOM,
	    CERTSRV_UNREADABLE, "", "links to two requests");
	is(TOP "<A Href=\"certnew.cer?ReqID=CACert&Renewal=1&Enc=bin\">a</A>" BOTTOM, CERTSRV_UNREADABLE, "",
	    "the CA's certificate");
	is("certnew.cer?ReqID=4294967296&", CERTSRV_UNREADABLE, "", "a number that is too large");
	is("certnew.cer?ReqID=0&", CERTSRV_UNREADABLE, "", "the number 0");
	is("certnew.cer?ReqID=99999999999999999999&", CERTSRV_UNREADABLE, "", "a number that is too long");
	is("certnew.cer?ReqID=25", CERTSRV_UNREADABLE, "", "a page that ends in the link");
}

/* The same page in five languages. None of the words are known to the parser. */
static void test_pending(void)
{
	static const char *const sentences[] = {"Your Request Id is 25.", "Ihre Anforderungs-ID lautet 25.",
		"\xe8\xa6\x81\xe6\xb1\x82 ID \xe3\x81\xaf 25 \xe3\x81\xa7\xe3\x81\x99\xe3\x80\x82",
		("\xe8\xa6\x81\xe6\xb1\x82\xe3\x81\xaf" "25\xe3\x81\xa7\xe3\x81\x99"),
		"L\xe2\x80\x99identificateur de votre requ\xc3\xaate est 25."};
	char page[4096];

	for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
		snprintf(page, sizeof page, "%s<P ID=locPageTitle> <B> X </B>\n<P ID=locInfoNewReq> In 3 days. </P>\n\n"
		    "<P ID=locInfoReqID>\n%s\n</P>\n<P ID=locInstructions>1 2 3</P>%s%s", TOP, sentences[i], DAYS, BOTTOM);
		is(page, CERTSRV_PENDING, "25", sentences[i]);
	}
	is(TOP "<p title='a>b' id = \"x\"><P Class=a ID='locInfoReqID'>N\xc2\xb0 <B>25</B></P>" BOTTOM, CERTSRV_PENDING,
	    "25", "an ID in quotes");
	is(TOP "<P ID=locInfoReqID>25 or 26</P>" BOTTOM, CERTSRV_UNREADABLE, "", "two numbers are none");
	is(TOP "<P ID=locInfoReqID>none</P>" BOTTOM, CERTSRV_UNREADABLE, "", "no number");
	is(TOP "<!-- <P ID=locInfoReqID>24</P> --><P>25</P>" DAYS BOTTOM, CERTSRV_UNREADABLE, "",
	    "in a comment it is nothing");
}

static void test_denied(void)
{
	const struct certsrv_page *p;

	is(TOP "<P ID=locDenied>No.</P>\n<P ID=locInfoReqIDandReason>\nYour Request Id is 26. The disposition message is "
	    "\"Denied by Policy Module  0x80094800, not supported: &quot;Phone&quot;. \".\n</P>" BOTTOM, CERTSRV_DENIED,
	    "26", "denied");
	p = read_page(TOP "<P ID=locInfoReqIDandReason>\nIhre ID lautet 26. Die Meldung: \"Verweigert  0x80094800 \xc3\xa4"
	    "\x1b[2J&quot;Phone&quot; \".\n</P>" BOTTOM);
	ok(p->state == CERTSRV_DENIED && p->code == 0x80094800 &&
	    strcmp(p->said, "Verweigert 0x80094800 \\xc3\\xa4\\x1b[2J\"Phone\"") == 0, "what it says: %s", p->said);
	ok(strstr(certsrv_code_text(p->code), "template") != NULL, "what the number means");
	is(TOP "<P ID=locDenied>No.</P>" BOTTOM, CERTSRV_DENIED, "", "denied without a reason");
	is(TOP "<P ID=locDenied>No.</P><P ID=locInfoReqID>X 26.</P>" BOTTOM, CERTSRV_DENIED, "26", "with its number");
	is(TOP "<P ID=locInfoReqIDandReason>26: \"see certnew.cer?ReqID=5&Enc=b64\"</P>" BOTTOM, CERTSRV_DENIED, "26",
	    "a link in a message is no certificate");
}

static void test_errors(void)
{
	const struct certsrv_page *p;

	is(ERRORS("5", "Taken Under Submission", "Good. 0x0 (WIN32: 0)"), CERTSRV_PENDING, "", "disposition 5");
	is(ERRORS("2", "Verweigert", "No. 0x80094014 (-2146877420)"), CERTSRV_DENIED, "", "disposition 2");
	p = read_page(ERRORS("2", "Verweigert von LAB\\admin",
	    "No. 0x80094014 (-2146877420 CERTSRV_E_ADMIN_DENIED_REQUEST)"));
	ok(p->disposition == 2 && p->code == 0x80094014 && strcmp(p->said, "Verweigert von LAB\\admin") == 0,
	    "its message and its number");
	is(ERRORS("6", "Revoked", ""), CERTSRV_DENIED, "", "disposition 6, revoked");
	is(ERRORS("3", "Issued", ""), CERTSRV_FAILED, "", "disposition 3 without a certificate");
	is(ERRORS("1", "x", "0x800706ba"), CERTSRV_FAILED, "", "disposition 1");
	is(ERRORS("<LocID ID=locDispNeverSet>(2)</LocID>", "", "No CA. 0x800706BA (WIN32: 1722)"), CERTSRV_FAILED, "",
	    "no text in the place of the number is a number");
	p = read_page(ERRORS("<LocID>(never set)</LocID>", "", "No CA. 0x800706BA (WIN32: 1722)"));
	ok(p->state == CERTSRV_FAILED && p->disposition == -1 && certsrv_code_unreachable(p->code), "no disposition");
	is(TOP "<P>Text 0x80094011 (-2146877423)</P>" BOTTOM, CERTSRV_DENIED, "",
	    "no known element, a number of the CA's");
	is(TOP "<P>Text 0x80070005</P>" BOTTOM, CERTSRV_FAILED, "", "no known element, another number");
}

static void test_unknown(void)
{
	char *many = malloc(3 << 20);

	is(TOP "<P>X 25.</P>" BOTTOM, CERTSRV_NUMBERED, "25", "one number in no known element");
	is(TOP "<P>X 25. 25</P>" BOTTOM, CERTSRV_NUMBERED, "25", "the same twice");
	is(TOP "<P>X 25.</P>" DAYS BOTTOM, CERTSRV_UNREADABLE, "", "two numbers");
	is("<P>0x26 CA07 1.5 -26 1,000 26% 26px #26 &#26; 00 007</P>", CERTSRV_UNREADABLE, "", "numbers that are none");
	is("", CERTSRV_UNREADABLE, "", "nothing");
	is("<", CERTSRV_UNREADABLE, "", "a tag without an end");
	is("<P ID=locInfoReqID", CERTSRV_UNREADABLE, "", "an element that is cut off");
	is("<!-- 25", CERTSRV_UNREADABLE, "", "a comment without an end");
	must(many != NULL, "memory");
	for (int kind = 0; kind < 5; kind++) {
		static const char *const units[] = {"<", "<!--", "<a b=\"", "certnew.cer?ReqID=1", "<script>"};
		size_t len = strlen(units[kind]), n = 0;
		clock_t begin = clock();
		struct certsrv_page page;

		while (n + len < 3 << 20) {
			memcpy(many + n, units[kind], len);
			n += len;
		}
		certsrv_read_page((struct bytes){(unsigned char *)many, n}, &page);
		ok(clock() - begin < 20 * CLOCKS_PER_SEC && page.state == CERTSRV_UNREADABLE, "3 MB of %s", units[kind]);
	}
	free(many);
}

static void test_form(void)
{
	struct buf b = {0};
	static const char want[] = "Mode=newreq&CertRequest=a%2BB%2F%3D%0D%0A+%26%25&CertAttrib=CertificateTemplate%3APhone"
	    "+%C3%BC%0D%0A&FriendlyType=Saved-Request+Certificate&TargetStoreFlags=0&SaveCert=yes";
	static const char none[] = "Mode=newreq&CertRequest=&CertAttrib=&Friendly";

	certsrv_put_form(&b, (struct bytes){(const unsigned char *)"a+B/=\r\n &%", 10}, "Phone \xc3\xbc");
	ok(b.len == sizeof want - 1 && memcmp(b.p, want, b.len) == 0, "the form: %.*s", (int)b.len, (char *)b.p);
	buf_free(&b);
	certsrv_put_form(&b, (struct bytes){NULL, 0}, "");
	ok(b.len > sizeof none && memcmp(b.p, none, sizeof none - 1) == 0, "no template");
	buf_free(&b);
}

static void test_base(void)
{
	static const struct {
		const char *url, *base;
	} cases[] = {
		{"https://ca.example", "https://ca.example/certsrv"},
		{"https://ca.example/", "https://ca.example/certsrv"},
		{"HTTPS://ca.example:4430/certsrv///", "HTTPS://ca.example:4430/certsrv"},
		{"https://[::1]:1/a/b", "https://[::1]:1/a/b"},
		{"http://ca.example/certsrv", NULL}, {"ca.example", NULL}, {"https://", NULL}, {"https:///certsrv", NULL},
		{"https://u:p@ca.example", NULL}, {"https://ca.example/?a", NULL}, {"https://ca.example/ a", NULL},
		{"https://ca.example/\r\nX: y", NULL},
	};
	char out[CERTSRV_URL_MAX + 1], longest[400] = "https://";
	struct reason why;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int result = certsrv_base(cases[i].url, out, &why);

		ok(cases[i].base == NULL ? result == -1 : result == 0 && strcmp(out, cases[i].base) == 0, "url %zu", i);
	}
	memset(longest + 8, 'a', 300);
	ok(certsrv_base(longest, out, &why) == -1, "a url that is too long");
}

static void test_ids(void)
{
	ok(certsrv_is_id("1") && certsrv_is_id("4294967295"), "numbers of requests");
	ok(!certsrv_is_id("") && !certsrv_is_id("0") && !certsrv_is_id("01") && !certsrv_is_id("4294967296") &&
	    !certsrv_is_id("CACert") && !certsrv_is_id("1&x") && !certsrv_is_id("-1") && !certsrv_is_id("12345678901"),
	    "others");
}

static bool renewals(const char *page, const char *want)
{
	char out[CERTSRV_ID_MAX + 1];
	bool is_there = certsrv_renewals((struct bytes){(const unsigned char *)page, strlen(page)}, out);

	return want == NULL ? !is_there : is_there && strcmp(out, want) == 0;
}

static void test_renewals(void)
{
	ok(renewals("<Script>\nvar nRenewals=3;\n</Script>", "3"), "three renewals");
	ok(renewals("if (nRenewals>0) x(); var nRenewals = 12 ;", "12"), "what is no number is passed over");
	ok(renewals("var nRenewals=;", NULL) && renewals("var nRenewals=123456;", NULL) &&
	    renewals("nRenewals=3", NULL) && renewals("", NULL), "none");
}

static int certificate(const void *p, size_t len, struct buf *out, struct reason *why)
{
	*out = (struct buf){0};
	return certsrv_put_certificate((struct bytes){p, len}, out, why);
}

static void test_certificates(void)
{
	static const char *const none[] = {NULL};
	struct reason why = {.text = ""};
	EVP_PKEY *key = key_make("ec:256", &why);
	struct cert *c = mint("SEP1", key, NULL, key, EVP_sha256(), 0, 1000, none);
	size_t len;
	char *pem = pem_make("CERTIFICATE", c->der, c->der_len, &len), crlf[4096] = "", two[8192];
	struct buf out;

	for (char *p = pem, *q = crlf; *p != '\0'; *q++ = *p++)
		if (*p == '\n')
			*q++ = '\r';
	ok(certificate(c->der, c->der_len, &out, &why) == 0 && out.len == c->der_len &&
	    memcmp(out.p, c->der, out.len) == 0, "DER");
	buf_free(&out);
	ok(certificate(crlf, strlen(crlf), &out, &why) == 0 && out.len == c->der_len &&
	    memcmp(out.p, c->der, out.len) == 0, "PEM with the ends of Windows' lines");
	buf_free(&out);
	snprintf(two, sizeof two, "%s%s", crlf, crlf);
	ok(certificate(two, strlen(two), &out, &why) == -1 && out.len == 0, "two: %s", why.text);
	ok(certificate(crlf, strlen(crlf) / 2, &out, &why) == -1 && out.len == 0, "half of one: %s", why.text);
	ok(certificate(TOP, strlen(TOP), &out, &why) == -1 && out.len == 0, "a page: %s", why.text);
	ok(certificate("", 0, &out, &why) == -1, "nothing: %s", why.text);
	free(pem);
	cert_free(c);
	EVP_PKEY_free(key);
}

static int allows(enum csr_proof proof, const char *agent, const char *shape, unsigned unproved, struct reason *why)
{
	struct online_settings s = {.unproved = unproved};

	*why = (struct reason){.text = ""};
	snprintf(s.agent, sizeof s.agent, "%s", agent);
	snprintf(s.shape, sizeof s.shape, "%s", shape);
	return certsrv_kind.allows(&s, proof, why);
}

static void test_allows(void)
{
	struct reason why;

	ok(allows(CSR_OWN, "", "", 0, &why) == 0, "a request with its own key's signature");
	ok(allows(CSR_RA, "", "", 0, &why) == -1 && strlen(why.text) <= ASKED_REASON_MAX &&
	    strstr(why.text, "agent and agent-key") && strstr(why.text, "CMP") && strstr(why.text, "ca-init --request") &&
	    strstr(why.text, "capf-probe") && strstr(why.text, "send-unproved = yes"), "any other: %s", why.text);
	ok(allows(CSR_RA, "agent.pem", "", 0, &why) == 0 && allows(CSR_RA, "", "none", 0, &why) == 0, "as CMC");
	ok(allows(CSR_RA, "", "", 1, &why) == 0, "to a CA that does not check");
}

/* Opening looks at the settings before anything is sent. */
static void opens(const struct online_settings *s, const char *want)
{
	struct online_ca ca = {.kind = &certsrv_kind, .settings = s, .now = 1800000000};
	struct reason why = {.text = ""};
	int result = certsrv_kind.open(&ca, &why);

	if (!ok(want == NULL ? result == 0 : result == -1 && strstr(why.text, want) != NULL, "opens: %s",
	    want != NULL ? want : "good"))
		printf("# %s\n", why.text);
	certsrv_kind.close(&ca);
}

static void test_open(void)
{
	opens(&(struct online_settings){.url = "https://ca.example"}, NULL);
	opens(&(struct online_settings){.url = "https://ca.example", .template = "Phone"}, NULL);
	opens(&(struct online_settings){.url = "http://ca.example"}, "TLS alone");
	opens(&(struct online_settings){.url = "https://ca.example", .template = "a&b"}, "template");
	opens(&(struct online_settings){.url = "https://ca.example", .shape = "some"}, "shape");
	opens(&(struct online_settings){.url = "https://ca.example", .shape = "behalf"}, "wants agent");
	opens(&(struct online_settings){.url = "https://ca.example", .agent = "a", .agent_key = "b", .shape = "none"},
	    "shape none");
	opens(&(struct online_settings){.url = "https://ca.example", .agent = "/no/agent", .agent_key = "b"},
	    "/no/agent");
}

/* What was never answered has no number. */
static void test_lost(void)
{
	struct online_settings s = {.lost = ONLINE_LOST_HOLD};
	struct online_ca ca = {.kind = &certsrv_kind, .settings = &s};
	struct online_answer answer;
	char ticket[ONLINE_TICKET_MAX + 1] = "x";
	struct reason why;

	ok(certsrv_kind.ticket(&ca, NULL, ticket, &why) == 0 && *ticket == '\0', "no ticket beforehand");
	certsrv_kind.poll(&ca, NULL, "", true, &answer);
	ok(answer.outcome == ONLINE_LOST && answer.why.text[0] != '\0', "a lost answer: %s", answer.why.text);
	s.lost = ONLINE_LOST_ASK;
	certsrv_kind.poll(&ca, NULL, "", true, &answer);
	ok(answer.outcome == ONLINE_NEVER, "a lost answer, asked anew: %s", answer.why.text);
}

int main(void)
{
	test_issued();
	test_pending();
	test_denied();
	test_errors();
	test_unknown();
	test_form();
	test_base();
	test_ids();
	test_renewals();
	test_certificates();
	test_allows();
	test_open();
	test_lost();
	return tap_done();
}
