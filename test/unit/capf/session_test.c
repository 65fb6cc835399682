/* SPDX-License-Identifier: ISC */
/* Every flow of the protocol, message by message, as bytes. What a step does is written as one line
 * and compared: "> 550f..." is sent; a '!' means final. */
#include <string.h>

#include "capf/session.h"
#include "../fault.h"
#include "../tap.h"

#define ASKS "> 55010000002a000407000103 | timer message"
#define V2 "55020000002a0012 07000102 0d000743534631323300 01000101"
#define V3 "55020000002a0012 07000103 0d000743534631323300 01000101"
#define END(reason) "> 550f0000002a0004010001" reason " | close"
#define RSA_V2 "> 55030000002a00050a00020800"
#define RSA_V3 "> 55030000002a00090a0002080011000100"
#define P384 "> 55030000002a00081100010112000101"
#define PROGRESS "55110000002a0000"
#define KEY "55040000002a0005 090002aabb"
#define NO_KEY "55040000002a0004 01000107"
#define STORED "550a0000002a0004 01000101"
#define FETCH "> 550b0000002a0000 | timer message"
#define FETCH_MIC "> 550b0000002a000403000102 | timer message"
#define FETCHED "550c0000002a000e 01000101 04000701000400013000"
#define NOT_FETCHED "550c0000002a0004 01000107"
#define NOT_STORED "550a0000002a0004 01000107"
/* The certificate is the two bytes 3000. */
#define STORE "> 55090000002a000e0300010104000701000400013000"

FAULT(void *, calloc, (size_t n, size_t size), (n, size), NULL)
FAULT(void *, realloc, (void *p, size_t size), (p, size), NULL)

static struct session *s;
static unsigned char input[70000];

static struct bytes unhex(const char *hex)
{
	char digits[8192];
	size_t n = 0;

	for (; *hex != '\0'; hex++)
		if (*hex != ' ')
			digits[n++] = *hex;
	must(n % 2 == 0 && bytes_unhex(digits, n / 2, input), "hex");
	return (struct bytes){input, n / 2};
}

static void put_text(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

static void put_hex(struct buf *b, struct bytes in)
{
	char hex[8192];

	must(in.len < sizeof hex / 2, "a short action");
	bytes_hex(in.p, in.len, hex);
	put_text(b, hex);
}

static void describe(struct buf *b, const struct session_action *one)
{
	static const char *const names[] = {"> ", "close", "timer", "look-up ", "authenticate ",
	    "prepare ", "certify ", "await", "installed", "store-failed", "fetched", "fetch-done",
	    "deleted", "failed", "note"};
	static const char *const timers[] = {" none", " message", " key", " outside", " keepalive"};
	char text[64] = "";

	put_text(b, names[one->type]);
	if (one->final)
		put_text(b, "!");
	switch (one->type) {
	case SESSION_TIMER:
		put_text(b, timers[one->timer]);
		break;
	case SESSION_LOOK_UP:
	case SESSION_AUTHENTICATE:
		put_text(b, one->message->device);
		if (one->type == SESSION_AUTHENTICATE && one->message->password.len > 0) {
			put_text(b, " ");
			buf_put(b, one->message->password.p, one->message->password.len);
		}
		break;
	case SESSION_CERTIFY:
		put_hex(b, one->bytes);
		snprintf(text, sizeof text, " %s %u%s",
		    one->message->key_type == CAPFMSG_EC ? "ec" : "rsa",
		    one->message->key_size + one->message->curve,
		    one->answer.len > 0 ? " signed" : "");
		put_text(b, text);
		break;
	case SESSION_FAILED:
		put_text(b, " ");
		put_text(b, session_failure_name(one->failure));
		break;
	case SESSION_FETCHED:
		snprintf(text, sizeof text, " %u ", one->cert_type);
		put_text(b, text);
		put_hex(b, one->bytes);
		break;
	case SESSION_SEND:
	case SESSION_PREPARE:
		put_hex(b, one->bytes);
		break;
	default:
		break;
	}
}

static bool does(const struct session_event *e, const char *want)
{
	struct session_actions a;
	struct buf b = {0};
	bool right;

	session_step(s, e, &a);
	for (size_t i = 0; i < a.count; i++) {
		if (i > 0)
			put_text(&b, " | ");
		describe(&b, &a.list[i]);
	}
	buf_put_u8(&b, 0);
	right = strcmp((char *)b.p, want) == 0;
	if (!right)
		printf("# %s\n# instead of\n# %s\n", (char *)b.p, want);
	buf_free(&b);
	/* Nobody may have kept what the caller had. */
	memset(input, 0xee, sizeof input);
	return right;
}

static bool event(enum session_event_type type, const char *want)
{
	return does(&(struct session_event){.type = type}, want);
}

static bool message(const char *hex, const char *want)
{
	return does(&(struct session_event){.type = SESSION_MESSAGE, .bytes = unhex(hex)}, want);
}

static bool certificate(const char *want)
{
	return does(&(struct session_event){.type = SESSION_CERTIFICATE, .bytes = unhex("3000")},
	    want);
}

static bool ordered(const struct order *order, const char *want)
{
	return does(&(struct session_event){.type = SESSION_ORDER, .order = order}, want);
}

static void fresh(void)
{
	session_free(s);
	must((s = session_new(0x2a)) != NULL, "a session");
}

/* A new session up to where the phone has said who it is. */
static bool said(const char *response)
{
	fresh();
	return event(SESSION_START, ASKS) &&
	    message(response, "look-up CSF123 | timer outside");
}

/* And up to where that is proved; this is what happens then. */
static bool proved(const char *response, const struct order *order, const char *want)
{
	return said(response) && ordered(order, "authenticate CSF123 | timer outside") &&
	    event(SESSION_AUTH_OK, want);
}

static const struct order rsa = {.operation = SESSION_INSTALL, .rsa_bits = 2048, .key_tries = 3};

static void flows(void)
{
	struct order o = rsa;

	ok(proved(V3, &o, RSA_V3 " | timer key") && message(PROGRESS, "timer key") &&
	    message(PROGRESS, "timer key") && message(KEY, "certify aabb rsa 2048 | timer none") &&
	    session_waits(s) && strcmp(session_device(s), "CSF123") == 0 &&
	    certificate(STORE " | timer message") && !session_waits(s) &&
	    message(STORED, "installed | " END("01")) && message(STORED, "") &&
	    event(SESSION_CLOSED, ""), "install");
	o.operation = SESSION_FETCH;
	ok(proved(V3, &o, FETCH) && message(FETCHED, "fetched 1 3000 | timer outside") &&
	    event(SESSION_TAKEN, "fetch-done | " END("00")), "fetch the LSC");
	ok(proved(V3, &o, FETCH) && message(FETCHED, "fetched 1 3000 | timer outside") &&
	    event(SESSION_REFUSED, "note | failed! not-fetched | " END("07")), "what comes is no certificate");
	o.fetch_mic = true;
	ok(proved(V3, &o, FETCH) && message(FETCHED, "fetched 1 3000 | timer outside") &&
	    event(SESSION_TAKEN, "fetch-done | " FETCH_MIC) &&
	    message(FETCHED, "fetched 2 3000 | timer outside") && event(SESSION_TAKEN, END("00")),
	    "then the MIC");
	ok(proved(V3, &o, FETCH) && message(NOT_FETCHED, "note | " FETCH_MIC) &&
	    message(FETCHED, "fetched 2 3000 | timer outside") &&
	    event(SESSION_TAKEN, "fetch-done | " END("00")), "the MIC when there is no LSC");
	ok(proved(V3, &o, FETCH) && message(FETCHED, "fetched 1 3000 | timer outside") &&
	    event(SESSION_REFUSED, "note | " FETCH_MIC) &&
	    message(FETCHED, "fetched 2 3000 | timer outside") &&
	    event(SESSION_TAKEN, "fetch-done | " END("00")), "or when that is no certificate");
	ok(proved(V3, &o, FETCH) && message(NOT_FETCHED, "note | " FETCH_MIC) &&
	    message(NOT_FETCHED, "note | failed! not-fetched | " END("07")), "neither");
	/* The LSC completes it, whatever becomes of the MIC. */
	for (int i = 0; i < 5; i++) {
		bool right = proved(V3, &o, FETCH) && message(FETCHED, "fetched 1 3000 | timer outside") &&
		    event(SESSION_TAKEN, "fetch-done | " FETCH_MIC);

		ok(right && (i == 0 ? event(SESSION_CLOSED, "note | close") :
		    i == 1 ? event(SESSION_TIMEOUT, "note | " END("00")) :
		    i == 2 ? message(NOT_FETCHED, "note | " END("00")) :
		    i == 3 ? message(STORED, "note | " END("00")) :
		    message("55140000002a0000", "note | " END("00"))), "no MIC: a note");
	}
	ok(proved(V3, &o, FETCH) && message(NOT_FETCHED, "note | " FETCH_MIC) &&
	    event(SESSION_CLOSED, "failed! not-fetched | close"), "no LSC, and it hangs up at the MIC");
	ok(proved(V3, &o, FETCH) && message(NOT_FETCHED, "note | " FETCH_MIC) &&
	    event(SESSION_TIMEOUT, "failed! not-fetched | " END("07")), "or is silent there");
	ok(proved(V3, &o, FETCH) && event(SESSION_CLOSED, "failed dropped | close"),
	    "it hangs up at the first request: it may come again");
	o.operation = SESSION_DELETE;
	ok(proved(V3, &o, "> 550d0000002a0000 | timer message") &&
	    message("550e0000002a0004 01000101", "deleted | " END("01")), "delete");
	ok(proved(V3, &o, "> 550d0000002a0000 | timer message") &&
	    message("550e0000002a0004 01000100", "note | deleted | " END("01")), "with nothing there");
	ok(proved(V3, &o, "> 550d0000002a0000 | timer message") &&
	    message("550e0000002a0004 01000107", "failed! not-deleted | " END("07")), "refused");
	o.operation = SESSION_NOTHING;
	ok(said(V3) && ordered(&o, "note | " END("07")), "nothing to do");
	o.operation = SESSION_UNKNOWN_DEVICE;
	ok(said(V3) && ordered(&o, "note | " END("09")), "unknown device");
	o.operation = SESSION_REJECT;
	ok(said(V3) && ordered(&o, "note | " END("07")), "locked, or too late");
	ok(said("55020000002a001a 07000103 0d000743534631323300 01000101 0b00053132333400") &&
	    ordered(&rsa, "authenticate CSF123 1234 | timer outside") &&
	    event(SESSION_AUTH_BAD, "failed bad-auth | " END("07")), "the wrong string");
	ok(said(V3) && ordered(&rsa, "authenticate CSF123 | timer outside") &&
	    does(&(struct session_event){.type = SESSION_AUTH_BAD, .why = "x", .final = true},
	    "failed! bad-auth | " END("07")), "the wrong string too often");
}

static void versions(void)
{
	ok(proved(V2, &rsa, RSA_V2 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer none") &&
	    certificate(STORE " | timer message") && message(STORED, "installed | " END("01")),
	    "version 2: KEY_SIZE alone, no REQUEST_IN_PROGRESS");
	ok(proved("55020000002a0012 01000101 0d000743534631323300 07000102", &rsa,
	    RSA_V2 " | timer key"), "its elements in another order");
	ok(proved("55020000002a0012 07000101 0d000743534631323300 01000101", &rsa,
	    RSA_V2 " | timer key"), "version 1");
	ok(proved("55020000002a000a 0d000743534631323300", &rsa, RSA_V2 " | timer key"),
	    "no version at all");
	fresh();
	ok(event(SESSION_START, ASKS) &&
	    message("55020000002a0012 07000104 0d000743534631323300 01000101",
	    "failed bad-version | " END("07")), "version 4 is refused");
	fresh();
	ok(event(SESSION_START, ASKS) &&
	    message("55020000002a0012 07000100 0d000743534631323300 01000101",
	    "failed bad-version | " END("07")), "and so is 0");
	fresh();
	ok(event(SESSION_START, ASKS) &&
	    message("55020000002a0016 0e000101 07000102 0d000743534631323300 01000101",
	    "note | look-up CSF123 | timer outside"), "unknown tags are told and passed over");
}

static void curves(void)
{
	struct order o = rsa;

	o.key_order = SESSION_EC;
	o.curve = CAPFMSG_P384;
	ok(proved(V3, &o, P384 " | timer key") && message(KEY, "certify aabb ec 1 | timer none"),
	    "EC");
	ok(proved(V2, &o, "failed! no-ec | " END("07")), "EC only, version 2");
	ok(proved(V3, &o, P384 " | timer key") && message(NO_KEY, "failed no-key | " END("07")),
	    "EC only, and the phone cannot");
	o.key_order = SESSION_EC_RSA;
	ok(proved(V3, &o, P384 " | timer key") && message(NO_KEY, "note | " RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer none"), "EC preferred, RSA after all");
	ok(proved(V3, &o, P384 " | timer key") && message(NO_KEY, "note | " RSA_V3 " | timer key") &&
	    message(NO_KEY, "failed no-key | " END("07")), "neither");
	ok(proved(V2, &o, RSA_V2 " | timer key"), "EC preferred, version 2");
}

static void keys(void)
{
	struct order o = rsa;

	ok(proved(V3, &o, RSA_V3 " | timer key") && message(NO_KEY, "failed no-key | " END("07")),
	    "no key, the first time");
	ok(proved(V3, &o, RSA_V3 " | timer key") &&
	    message("55040000002a0000", "failed no-key | " END("07")), "nor a reason");
	ok(proved(V3, &o, RSA_V3 " | timer key") &&
	    event(SESSION_TIMEOUT, "failed no-key | " END("07")), "not in time");
	o.key_failures = 2;
	ok(proved(V3, &o, RSA_V3 " | timer key") && message(NO_KEY, "failed! no-key | " END("07")),
	    "the last time");
	o.key_tries = 0;
	ok(proved(V3, &o, RSA_V3 " | timer key") && message(NO_KEY, "failed no-key | " END("07")),
	    "without a limit");
	ok(proved(V3, &o, RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer none") &&
	    event(SESSION_REFUSED, "failed no-certificate | " END("07")), "a key that is refused");
}

static void waiting(void)
{
	struct order o = rsa;

	ok(proved(V3, &o, RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer none") && message(PROGRESS, "") &&
	    message("55120000002a0000", "") && message("55130000002a0000", "") &&
	    event(SESSION_TIMEOUT, "") && event(SESSION_AUTH_OK, "") && session_waits(s),
	    "17, 18 and 19 are signs of life");
	ok(certificate(STORE " | timer message") && message(PROGRESS, "timer message") &&
	    message(STORED, "installed | " END("01")), "after which it goes on");
	o.keepalive = CAPFMSG_IN_PROGRESS;
	ok(proved(V3, &o, RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer keepalive") &&
	    event(SESSION_TIMEOUT, "> 55110000002a0000 | timer keepalive") &&
	    event(SESSION_TIMEOUT, "> 55110000002a0000 | timer keepalive") &&
	    certificate(STORE " | timer message"), "a message that keeps alive");
	ok(proved(V3, &o, RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer keepalive") &&
	    does(&(struct session_event){.type = SESSION_REFUSED, .why = "deadline", .final = true},
	    "failed! no-certificate | " END("07")), "a deadline that passes");
	ok(proved(V3, &o, RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer keepalive") &&
	    event(SESSION_CLOSED, "failed dropped | close") && certificate(""), "a phone that leaves");
	ok(proved(V3, &o, RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer keepalive") &&
	    message("55140000002a0000", "failed stopped | " END("07")), "a user who stops it");
}

static void stores(void)
{
	struct order o = rsa;
	bool right = true;

	ok(proved(V3, &o, RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer none") && certificate(STORE " | timer message") &&
	    message(NOT_STORED, "store-failed | " STORE " | timer message") &&
	    message(STORED, "installed | " END("01")), "refused once");
	ok(proved(V3, &o, RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer none") && certificate(STORE " | timer message") &&
	    message(NOT_STORED, "store-failed | " STORE " | timer message") &&
	    message("550a0000002a0000", "store-failed! | failed! not-stored | " END("07")),
	    "refused twice, with a key it has just made");
	for (size_t extra = 0; extra < 2; extra++) {
		struct session_event e = {.type = SESSION_CERTIFICATE,
		    .bytes = {input, CAPFMSG_BODY_MAX - 12 + extra}};
		struct session_actions a;

		right = right && proved(V3, &o, RSA_V3 " | timer key") &&
		    message(KEY, "certify aabb rsa 2048 | timer none");
		session_step(s, &e, &a);
		right = right && a.list[0].type == (extra ? SESSION_FAILED : SESSION_SEND) &&
		    a.list[0].final == (extra == 1);
	}
	ok(right, "the largest certificate, and one that is larger");
	o.resume = true;
	ok(proved(V3, &o, "await | timer none") && certificate(STORE " | timer message") &&
	    message(STORED, "installed | " END("01")), "resumed: no new key");
	ok(proved(V3, &o, "await | timer none") && certificate(STORE " | timer message") &&
	    message(NOT_STORED, "store-failed | " STORE " | timer message") &&
	    message(NOT_STORED, "store-failed! | " RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer none") && certificate(STORE " | timer message") &&
	    message(NOT_STORED, "store-failed | " STORE " | timer message") &&
	    message(STORED, "installed | " END("01")), "resumed, refused twice: a new key");
	o.store_refusals = 1;
	ok(proved(V3, &o, "await | timer none") && certificate(STORE " | timer message") &&
	    message(NOT_STORED, "store-failed! | " RSA_V3 " | timer key"),
	    "resumed, refused once in an earlier session");
	o.key_failures = 2;
	ok(proved(V3, &o, "await | timer none") && certificate(STORE " | timer message") &&
	    message(NOT_STORED, "store-failed! | failed! not-stored | " END("07")),
	    "the third key whose certificate is refused is the last");
	o.key_failures = 1;
	ok(proved(V3, &o, "await | timer none") && certificate(STORE " | timer message") &&
	    message(NOT_STORED, "store-failed! | " RSA_V3 " | timer key") &&
	    event(SESSION_TIMEOUT, "failed! no-key | " END("07")),
	    "one that is refused and one that is not made are two");
	o.key_failures = 0;
	o.store_refusals = 2;
	ok(proved(V3, &o, RSA_V3 " | timer key"), "twice in earlier ones");
	ok(proved(V3, &rsa, RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer none") && certificate(STORE " | timer message") &&
	    event(SESSION_CLOSED, "failed dropped | close"), "gone before it said so: not installed");
	o = rsa;
	o.resume = true;
	ok(proved(V3, &o, "await | timer none") && certificate(STORE " | timer message") &&
	    event(SESSION_CLOSED, "store-failed | failed dropped | close"),
	    "resumed, and it hangs up: as good as a refusal");
	ok(proved(V3, &o, "await | timer none") && certificate(STORE " | timer message") &&
	    event(SESSION_TIMEOUT, "store-failed | failed too-slow | " END("07")), "or is silent");
	ok(proved(V3, &o, "await | timer none") && event(SESSION_CLOSED, "failed dropped | close"),
	    "not while it waits");
	o.store_refusals = 1;
	ok(proved(V3, &o, "await | timer none") && certificate(STORE " | timer message") &&
	    event(SESSION_CLOSED, "store-failed! | failed dropped | close"), "the second time the certificate goes");
	o.key_failures = 2;
	ok(proved(V3, &o, "await | timer none") && certificate(STORE " | timer message") &&
	    event(SESSION_CLOSED, "store-failed! | failed! not-stored | close"), "the third key is the last");
	ok(proved(V3, &o, "await | timer none") && certificate(STORE " | timer message") &&
	    event(SESSION_TIMEOUT, "store-failed! | failed! not-stored | " END("07")), "also in silence");
	o.key_tries = 0;
	ok(proved(V3, &o, "await | timer none") && certificate(STORE " | timer message") &&
	    event(SESSION_CLOSED, "store-failed! | failed dropped | close"), "unless there is no limit");
	ok(proved(V3, &rsa, RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer none") && certificate(STORE " | timer message") &&
	    event(SESSION_TIMEOUT, "failed too-slow | " END("07")), "silent: not installed either");
}

/* 22 and 23, whose form is a guess. */
static void phone_signs(void)
{
	static const char signed_yes[] = "55170000002a000e 01000101 140007 02000411223344";
	struct order o = rsa;
	struct session_event to_sign = {.type = SESSION_TO_SIGN};
	bool right;

	o.phone_signs = true;
	for (int i = 0; i < 7; i++) {
		o.phone_must_sign = i > 1 && i < 6;
		o.key_failures = i == 5 ? 2 : 0;
		right = proved(V3, &o, RSA_V3 " | timer key") &&
		    message(KEY, "prepare aabb | timer outside") && message(PROGRESS, "");
		to_sign.bytes = unhex("310100");
		right = right &&
		    does(&to_sign, "> 55160000002a000a13000102060003310100 | timer message");
		if (i == 0)
			ok(right && message(signed_yes, "certify aabb rsa 2048 signed | timer none") &&
			    certificate(STORE " | timer message"), "the phone signs");
		else if (i == 1)
			ok(right && message("55170000002a0004 01000107",
			    "note | certify aabb rsa 2048 | timer none"), "it refuses: vouched for");
		else if (i == 2)
			ok(right && message("55170000002a0004 01000107",
			    "failed! no-signature | " END("07")), "it refuses: failed");
		else if (i == 3)
			ok(right && event(SESSION_TIMEOUT, "failed no-signature | " END("07")),
			    "it says nothing: failed this time");
		else if (i == 5)
			ok(right && event(SESSION_CLOSED, "failed! no-signature | close"),
			    "it hangs up, for the last time");
		else
			ok(right && event(SESSION_CLOSED, "failed no-signature | close"), "it hangs up");
	}
	o.key_failures = 0;
	o.phone_must_sign = true;
	o.sign_layout = 18;
	ok(proved(V3, &o, RSA_V3 " | timer key") && message(KEY, "prepare aabb | timer outside") &&
	    does(&(struct session_event){.type = SESSION_TO_SIGN, .bytes = unhex("aabbcc")},
	    "> 55160000002a00060e0003aabbcc | timer message") &&
	    message("55170000002a0009 01000101 0e000211ff", "note | certify aabb rsa 2048 signed | timer none"),
	    "another layout, and an answer in a tag that nobody knows");
	o.sign_layout = 0;
	ok(proved(V3, &o, RSA_V3 " | timer key") && message(KEY, "prepare aabb | timer outside") &&
	    event(SESSION_REFUSED, "failed no-certificate | " END("07")), "a key that is refused");
	ok(proved(V3, &rsa, RSA_V3 " | timer key") &&
	    message("55040000002a000f 090002aabb 140007 02000411223344",
	    "certify aabb rsa 2048 | timer none"), "a signature that nobody asked for is none");
}

static void breaches(void)
{
	ok(said(V3) && ordered(&rsa, "authenticate CSF123 | timer outside") &&
	    message(PROGRESS, "failed bad-message | " END("07")) && event(SESSION_AUTH_OK, ""),
	    "a message while nothing was asked");
	fresh();
	ok(message(V3, "failed bad-message | " END("07")) && event(SESSION_START, ""),
	    "a client that speaks first");
	fresh();
	ok(event(SESSION_START, ASKS) &&
	    message("55020000002b0012 07000102 0d000743534631323300 01000101",
	    "failed bad-message | " END("07")), "the session id of another session, replayed");
	ok(proved(V3, &rsa, RSA_V3 " | timer key") &&
	    message("55040000002b0005 090002aabb", "failed bad-message | " END("07")), "or later");
	ok(proved(V3, &rsa, RSA_V3 " | timer key") &&
	    message(STORED, "failed bad-message | " END("07")), "stored before there is anything");
	ok(proved(V3, &rsa, RSA_V3 " | timer key") &&
	    message(KEY, "certify aabb rsa 2048 | timer none") &&
	    message(STORED, "failed bad-message | " END("07")), "or while it waits");
	ok(proved(V3, &rsa, RSA_V3 " | timer key") && message(V3, "failed bad-message | " END("07")),
	    "AUTH_RESPONSE again");
	fresh();
	ok(event(SESSION_START, ASKS) &&
	    message("474554202f20485454502f312e310d0a", "failed bad-message | " END("07")),
	    "something else than CAPF");
	fresh();
	ok(event(SESSION_START, ASKS) &&
	    message("55020000002affff", "failed bad-message | " END("07")), "a header that is refused");
	fresh();
	ok(event(SESSION_START, ASKS) &&
	    message("55020000002a0004 07000102", "failed bad-message | " END("07")), "no name");
	fresh();
	ok(event(SESSION_START, ASKS) &&
	    event(SESSION_TIMEOUT, "failed too-slow | " END("07")) && event(SESSION_TIMEOUT, ""),
	    "a client that says nothing");
	fresh();
	ok(event(SESSION_CLOSED, "failed dropped | close"), "a client that leaves at once");
	ok(proved(V3, &rsa, RSA_V3 " | timer key") && certificate("") && ordered(&rsa, "") &&
	    event(SESSION_START, "") && message(KEY, "certify aabb rsa 2048 | timer none"),
	    "answers that come late or for something else are passed over");
	session_free(s);
	s = session_new(7);
	ok(event(SESSION_START, "> 550100000007000407000103 | timer message"), "its own id");
}

static uint32_t seed = 1;

static uint8_t random_byte(void)
{
	seed = seed * 1664525 + 1013904223;
	return (uint8_t)(seed >> 24);
}

/* Whatever happens in whatever order: CLOSE is the last action, once; INSTALLED comes only
 * when the last message said so. */
static void chaos(void)
{
	static const char *const texts[] = {V2, V3, PROGRESS, KEY, NO_KEY, STORED, NOT_STORED,
	    "55170000002a000e 01000101 140007 02000411223344", "550e0000002a0004 01000101",
	    "550c0000002a000e 01000101 04000701000400013000", "55140000002a0000", "55ff0000002a0000"};
	unsigned installed = 0, deleted = 0, fetched = 0;
	bool right = true;

	for (int i = 0; i < 20000; i++) {
		bool closed = false;

		fresh();
		for (int k = 0; k < 12; k++) {
			struct order o = {.operation = random_byte() % 4 ? SESSION_INSTALL :
			    random_byte() % 6, .key_order = random_byte() % 3,
			    .resume = random_byte() % 2, .store_refusals = random_byte() % 3,
			    .phone_signs = random_byte() % 4 == 0, .rsa_bits = 2048,
			    .phone_must_sign = random_byte() % 2, .fetch_mic = random_byte() % 2};
			struct session_event e = {.type = random_byte() % (SESSION_TAKEN + 1)};
			struct session_actions a;
			const char *text = texts[random_byte() % (sizeof texts / sizeof texts[0])];

			/* Mostly what is next, or nothing would get far. */
			if (random_byte() % 16 != 0)
				e.type = strcmp(session_state(s), "begin") == 0 ? SESSION_START :
				    strcmp(session_state(s), "look-up") == 0 ? SESSION_ORDER :
				    strcmp(session_state(s), "auth") == 0 ? SESSION_AUTH_OK :
				    strcmp(session_state(s), "prepare") == 0 ? SESSION_TO_SIGN :
				    strcmp(session_state(s), "check") == 0 ? SESSION_TAKEN :
				    session_waits(s) ? SESSION_CERTIFICATE : SESSION_MESSAGE;
			if (strcmp(session_state(s), "hello") == 0 && random_byte() % 8 != 0)
				text = V3;
			if (strcmp(session_state(s), "key") == 0 && random_byte() % 2)
				text = KEY;
			e.order = &o;
			e.bytes = unhex(e.type == SESSION_MESSAGE ? text : "3000");
			session_step(s, &e, &a);
			right = right && a.count < SESSION_ACTIONS_MAX - 1;
			for (size_t n = 0; n < a.count; n++) {
				enum session_action_type type = a.list[n].type;

				right = right && !closed;
				closed = type == SESSION_CLOSE;
				installed += type == SESSION_INSTALLED;
				deleted += type == SESSION_DELETED;
				fetched += type == SESSION_FETCH_DONE;
				right = right && (type != SESSION_INSTALLED ||
				    (e.type == SESSION_MESSAGE && strcmp(text, STORED) == 0));
			}
		}
	}
	ok(right && installed > 0 && deleted > 0 && fetched > 0,
	    "20,000 sessions of events in any order: %u installed, %u deleted, %u fetched",
	    installed, deleted, fetched);
}

/* One session to its end, with the answers that are hoped for. False when it ended otherwise: then
 * it has said that it failed, for lack of memory. */
static bool goes_well(const struct order *order, enum session_action_type wanted, bool *said_so)
{
	static const char *const answers[][2] = {{"hello", V3}, {"key", KEY}, {"store", STORED},
	    {"sign", "55170000002a000e 01000101 140007 02000411223344"},
	    {"fetch", "550c0000002a000e 01000101 04000701000400013000"},
	    {"delete", "550e0000002a0004 01000101"}};
	bool done = false, closed = false;

	*said_so = false;
	if ((s = session_new(0x2a)) == NULL) {
		*said_so = true;
		return false;
	}
	for (int i = 0; i < 20 && strcmp(session_state(s), "over") != 0; i++) {
		const char *state = session_state(s);
		struct session_event e = {.type = strcmp(state, "begin") == 0 ? SESSION_START :
		    strcmp(state, "look-up") == 0 ? SESSION_ORDER : strcmp(state, "auth") == 0 ?
		    SESSION_AUTH_OK : strcmp(state, "prepare") == 0 ? SESSION_TO_SIGN :
		    strcmp(state, "check") == 0 ? SESSION_TAKEN : session_waits(s) ? SESSION_CERTIFICATE : SESSION_MESSAGE, .order = order};
		struct session_actions a;

		e.bytes = unhex("3000");
		for (size_t k = 0; k < sizeof answers / sizeof answers[0]; k++)
			if (strcmp(answers[k][0], state) == 0)
				e.bytes = unhex(answers[k][1]);
		session_step(s, &e, &a);
		for (size_t k = 0; k < a.count; k++) {
			must(!closed, "silence after CLOSE");
			closed = a.list[k].type == SESSION_CLOSE;
			done = done || a.list[k].type == wanted;
			*said_so = *said_so || (a.list[k].type == SESSION_FAILED &&
			    a.list[k].failure == SESSION_NO_MEMORY);
		}
	}
	return done;
}

/* Each allocation fails once, in every kind of session: it ends, and says why, or has done its
 * work; what fails last is only good-bye. */
static void memory(void)
{
	static const struct {
		struct order order;
		enum session_action_type wanted;
	} kinds[] = {
		{{.operation = SESSION_INSTALL, .rsa_bits = 2048}, SESSION_INSTALLED},
		{{.operation = SESSION_INSTALL, .rsa_bits = 2048, .phone_signs = true}, SESSION_INSTALLED},
		{{.operation = SESSION_INSTALL, .resume = true, .keepalive = CAPFMSG_IN_PROGRESS},
		    SESSION_INSTALLED},
		{{.operation = SESSION_FETCH, .fetch_mic = true}, SESSION_FETCH_DONE},
		{{.operation = SESSION_DELETE}, SESSION_DELETED},
		{{.operation = SESSION_REJECT}, SESSION_CLOSE},
	};
	unsigned tries = 0;
	bool right = true;

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		for (unsigned n = 1;; n++, tries++) {
			bool said_so, done, reached, over;

			session_free(s);
			fault_arm(n, ENOMEM);
			done = goes_well(&kinds[i].order, kinds[i].wanted, &said_so);
			reached = fault_over();
			over = s == NULL || strcmp(session_state(s), "over") == 0;
			right = right && over && (reached ? said_so : done && !said_so);
			if (!right || !reached)
				break;
		}
	ok(right && tries > 20, "%u times no memory: each time the session ends and says so", tries);
	ok(proved(V3, &kinds[2].order, "await | timer keepalive"), "one that waits");
	fault_arm(1, ENOMEM);
	ok(event(SESSION_TIMEOUT, "failed no-memory | close") && fault_over(),
	    "and cannot say that it is alive");
}

/* What a phone says in words, and says oddly. */
static void words(void)
{
	struct order o = rsa;

	ok(proved(V3, &o, RSA_V3 " | timer key") &&
	    message("55040000002a000b 01000107 020004 62757379", "failed no-key | " END("07")), "no key: busy");
	o.phone_signs = true;
	ok(proved(V3, &o, RSA_V3 " | timer key") && message(KEY, "prepare aabb | timer outside") &&
	    does(&(struct session_event){.type = SESSION_TO_SIGN, .bytes = unhex("310100")},
	    "> 55160000002a000a13000102060003310100 | timer message") &&
	    message("55170000002a000a 140007 02000411223344", "certify aabb rsa 2048 signed | timer none"),
	    "a signature without a REASON");
	ok(proved(V3, &o, RSA_V3 " | timer key") && message(KEY, "prepare aabb | timer outside") &&
	    does(&(struct session_event){.type = SESSION_TO_SIGN, .bytes = unhex("310100")},
	    "> 55160000002a000a13000102060003310100 | timer message") &&
	    message("55170000002a000e 01000107 140007 02000411223344",
	    "note | certify aabb rsa 2048 | timer none"), "a signature with a REASON that says no");
	o = (struct order){.operation = SESSION_FETCH};
	ok(proved(V3, &o, "> 550b0000002a0000 | timer message") &&
	    message("550c0000002a000a 04000701000400013000", "fetched 1 3000 | timer outside") &&
	    event(SESSION_TAKEN, "fetch-done | " END("00")),
	    "a certificate without a REASON");
	ok(proved(V3, &o, "> 550b0000002a0000 | timer message") &&
	    message("550c0000002a000e 03000102 04000701000400013000", "fetched 2 3000 | timer outside") &&
	    event(SESSION_TAKEN, "fetch-done | " END("00")),
	    "one that says what it is");
	ok(proved(V3, &o, "> 550b0000002a0000 | timer message") &&
	    message("550c0000002a000e 01000107 04000701000400013000", "note | failed! not-fetched | " END("07")),
	    "one with a REASON that says no");
	o.operation = SESSION_DELETE;
	ok(proved(V3, &o, "> 550d0000002a0000 | timer message") &&
	    message("550e0000002a0000", "failed! not-deleted | " END("07")), "deleted? no word of it");
	ok(proved(V3, &o, "> 550d0000002a0000 | timer message") &&
	    message("55110000002a001e 640000 640000 640000 640000 640000 640000 640000 640000 640000 640000",
	    "note | timer message"), "more unknown tags than are told");
}

int main(void)
{
	flows();
	versions();
	curves();
	keys();
	waiting();
	stores();
	phone_signs();
	breaches();
	chaos();
	memory();
	words();
	session_free(s);
	return tap_done();
}
