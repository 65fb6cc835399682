/* SPDX-License-Identifier: ISC */
#include <openssl/x509.h>

#include <string.h>

#include "phone-sim/sim_phone.h"
#include "phone-sim/sim_words.h"
#include "phone-sim/spare_keys.h"
#include "../tap.h"

#define DEVICE "CSF123"

static struct sim sim;
static struct sim_actions got;
static unsigned char message[CAPFMSG_BODY_MAX];
static size_t message_len;

/* Plain hex, with spaces. */
static struct bytes hex(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text += text[0] == ' ' ? 1 : 2)
		if (*text != ' ')
			must(bytes_unhex(text, 1, message + n++), "hex");
	message_len = n;
	return (struct bytes){message, n};
}

static void step(enum sim_event_type type, struct bytes in, EVP_PKEY *key)
{
	const struct sim_event e = {.type = type, .bytes = in, .key = key};

	sim_step(&sim, &e, &got);
	/* Nothing may point into what the caller gave, but for the certificate that is kept. */
	if (got.count == 0 || got.list[0].type != SIM_KEEP)
		memset(message, 0xee, sizeof message);
}

static void hears(const char *text)
{
	step(SIM_MESSAGE, hex(text), NULL);
}

static void timer(void)
{
	step(SIM_TIMER, (struct bytes){NULL, 0}, NULL);
}

static void made(EVP_PKEY *key)
{
	step(SIM_MADE, (struct bytes){NULL, 0}, key);
}

static bool is(size_t i, enum sim_action_type type)
{
	return i < got.count && got.list[i].type == type;
}

static bool sends(size_t i, const char *text)
{
	unsigned char save[sizeof message];
	struct bytes want;
	bool same;

	memcpy(save, message, sizeof save);
	want = hex(text);
	same = is(i, SIM_SEND) && got.list[i].bytes.len == want.len &&
	    memcmp(got.list[i].bytes.p, want.p, want.len) == 0;
	memcpy(message, save, sizeof save);
	return same;
}

static bool only_sends(const char *text)
{
	return got.count == 1 && sends(0, text);
}

static bool ends(enum sim_outcome outcome)
{
	return got.count > 0 && is(got.count - 1, SIM_CLOSE) && sim.outcome == outcome;
}

/* What most tests begin with. */
static struct sim_plan plan(void)
{
	return (struct sim_plan){.version = 3, .progress = 1, .refuse = SIM_STEPS, .drop = SIM_STEPS,
	    .hang = SIM_STEPS, .stop = SIM_STEPS};
}

static void begin(const struct sim_plan *p)
{
	sim_free(&sim);
	sim_init(&sim, p, DEVICE);
	sim_connect(&sim);
}

#define HELLO "55 01 0000002a 0004 07 0001 03"
#define ANSWER "55 02 0000002a 0012 07 0001 03 0d 0007 43534631323300 01 0001 01"
#define WANT_RSA "55 03 0000002a 0009 0a 0002 0800 11 0001 00"
#define WANT_P384 "55 03 0000002a 0008 11 0001 01 12 0001 01"
#define PROGRESS "55 11 0000002a 0000"
#define NO_KEY "55 04 0000002a 0004 01 0001 07"
#define ABORT "55 14 0000002a 0000"
#define DONE "55 0f 0000002a 0004 01 0001 01"
#define NOTHING "55 0f 0000002a 0004 01 0001 00"
#define REFUSED "55 0f 0000002a 0004 01 0001 07"
#define UNKNOWN "55 0f 0000002a 0004 01 0001 09"

static void greet(const struct sim_plan *p)
{
	begin(p);
	hears(HELLO);
}

/* STORE_CERTIFICATE_REQUEST with a certificate of this key for this name. */
static struct bytes store_request(EVP_PKEY *key, const char *name)
{
	X509 *x = X509_new();
	unsigned char *der = NULL;
	struct buf b = {0};
	struct capfmsg m = {.command = CAPFMSG_STORE_REQUEST, .session = 0x2a,
	    .cert_type = CAPFMSG_LSC};
	struct reason r;
	int len = 0;

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	must(X509_sign(x, key, EVP_sha256()) > 0 && (len = i2d_X509(x, &der)) > 0, "a certificate");
	m.certificate = (struct bytes){der, (size_t)len};
	capfmsg_add(&m, CAPFMSG_CERT_TYPE);
	capfmsg_add(&m, CAPFMSG_CERTIFICATE);
	must(capfmsg_encode(&m, &b, &r) == 0 && b.len <= sizeof message, "a message");
	memcpy(message, b.p, b.len);
	message_len = b.len;
	buf_free(&b);
	OPENSSL_free(der);
	X509_free(x);
	return (struct bytes){message, message_len};
}

static void flows(EVP_PKEY *rsa, EVP_PKEY *ec)
{
	struct sim_plan p = plan();

	greet(&p);
	ok(only_sends(ANSWER), "AUTH_RESPONSE of a null string, byte for byte");
	hears(WANT_RSA);
	ok(got.count == 2 && sends(0, PROGRESS) && is(1, SIM_MAKE_KEY) && got.list[1].bits == 2048 &&
	    got.list[1].key_type == CAPFMSG_RSA, "a key is made, with REQUEST_IN_PROGRESS before it");
	made(rsa);
	ok(got.count == 1 && is(0, SIM_SEND) && got.list[0].bytes.len == 8 + 0x129 &&
	    memcmp(got.list[0].bytes.p, "\x55\x04\0\0\0\x2a\x01\x29\x09\x01\x26", 11) == 0,
	    "the public key is sent: 294 bytes of SPKI");
	step(SIM_MESSAGE, store_request(rsa, DEVICE), NULL);
	ok(got.count == 2 && is(0, SIM_KEEP) && sends(1, "55 0a 0000002a 0004 01 0001 01"),
	    "its certificate is stored");
	hears(DONE);
	ok(got.count == 1 && ends(SIM_INSTALLED) && sim_good(sim.outcome), "installed");
	hears(HELLO);
	ok(got.count == 0, "nothing comes after the end");

	greet(&p);
	hears(WANT_P384);
	ok(is(1, SIM_MAKE_KEY) && got.list[1].key_type == CAPFMSG_EC && got.list[1].curve == CAPFMSG_P384,
	    "an EC key");
	made(ec);
	step(SIM_MESSAGE, store_request(rsa, DEVICE), NULL);
	ok(only_sends("55 0a 0000002a 0004 01 0001 07"), "a certificate for another key is not stored");
	step(SIM_MESSAGE, store_request(ec, "SEP-OTHER"), NULL);
	ok(only_sends("55 0a 0000002a 0004 01 0001 07"), "nor one for another phone");
	step(SIM_MESSAGE, store_request(ec, "Model 7-" DEVICE), NULL);
	ok(is(0, SIM_KEEP), "one with the model before the name is");
	step(SIM_MESSAGE, store_request(rsa, DEVICE), NULL);
	ok(only_sends("55 0a 0000002a 0004 01 0001 07"), "and then the other one still is not");

	greet(&p);
	hears("55 0b 0000002a 0000");
	ok(only_sends("55 0c 0000002a 0004 01 0001 07"), "no LSC to be fetched");
	hears("55 0d 0000002a 0000");
	ok(only_sends("55 0e 0000002a 0004 01 0001 01"), "deleted");
	hears(DONE);
	ok(ends(SIM_DELETED), "deleted, at the end");
	sim_connect(&sim);
	hears(HELLO);
	hears(REFUSED);
	ok(ends(SIM_NOTHING), "who is done takes reason 7 for \"nothing to do\"");
	sim_connect(&sim);
	hears(HELLO);
	hears("55 0b 0000002a 0000");
	hears(REFUSED);
	ok(ends(SIM_REFUSED), "but not after it was asked for something");

	p.mic.der = (struct bytes){(const unsigned char *)"\x30\x00", 2};
	greet(&p);
	hears("55 0b 0000002a 0004 03 0001 02");
	ok(only_sends("55 0c 0000002a 000e 01 0001 01 04 0007 01 0004 0001 3000"), "the MIC is fetched");
	hears(NOTHING);
	ok(ends(SIM_FETCHED), "fetched");
}

static void endings(void)
{
	static const struct {
		const char *message;
		enum sim_outcome outcome;
	} list[] = {
	    {NOTHING, SIM_NOTHING}, {REFUSED, SIM_REFUSED}, {UNKNOWN, SIM_UNKNOWN_DEVICE},
	    {DONE, SIM_BAD_SERVER}, {"55 0f 0000002a 0000", SIM_BAD_SERVER},
	    {"55 0f 0000002a 0004 01 0001 42", SIM_BAD_SERVER}, {"55 0f 0000002b 0004 01 0001 00", SIM_BAD_SERVER},
	    {"55 10 0000002a 0000", SIM_LATER}, {"55 05 0000002a 0000", SIM_BAD_SERVER},
	    {"54", SIM_BAD_SERVER}, {"55 0f 0000002a 0003 01 0001", SIM_BAD_SERVER},
	};
	struct sim_plan p = plan();

	for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
		greet(&p);
		hears(list[i].message);
		ok(got.count == 1 && ends(list[i].outcome), "%s: %s", list[i].message,
		    sim_outcome_name(list[i].outcome));
	}
	begin(&p);
	step(SIM_GONE, (struct bytes){NULL, 0}, NULL);
	ok(ends(SIM_LOST), "the server hangs up");
	greet(&p);
	hears(PROGRESS);
	ok(got.count == 0, "a sign of life of the server needs no answer");
	hears("55 12 0000002a 0000");
	ok(only_sends("55 13 0000002a 0000"), "STATUS_REQUEST has one");
}

static void versions(void)
{
	struct sim_plan p = plan();

	p.version = 2;
	greet(&p);
	ok(only_sends("55 02 0000002a 0012 07 0001 02 0d 0007 43534631323300 01 0001 01"),
	    "version 2, byte for byte");
	hears("55 03 0000002a 0005 0a 0002 0800");
	ok(is(1, SIM_MAKE_KEY) && got.list[1].bits == 2048, "KEY_SIZE alone is enough for it");
	greet(&p);
	hears(WANT_RSA);
	ok(sends(1, NO_KEY), "KEY_TYPE is too much");

	p = plan();
	p.mode = SIM_STRING;
	p.string = "1234";
	greet(&p);
	ok(only_sends("55 02 0000002a 001a 07 0001 03 0d 0007 43534631323300 01 0001 01 0b 0005 3132333400"),
	    "a string goes with its NUL");
	p.reversed = true;
	greet(&p);
	ok(only_sends("55 02 0000002a 001a 0b 0005 3132333400 01 0001 01 0d 0007 43534631323300 07 0001 03"),
	    "and in the opposite order");
	p = plan();
	p.progress = 0;
	greet(&p);
	hears("55 03 0000002a 0008 11 0001 01 12 0001 07");
	ok(only_sends(NO_KEY), "an unknown curve");
	hears("55 03 0000002a 0005 0a 0002 0001");
	ok(only_sends(NO_KEY), "RSA of one bit");
	hears(WANT_RSA);
	ok(got.count == 1 && is(0, SIM_MAKE_KEY), "no REQUEST_IN_PROGRESS");
	made(NULL);
	ok(only_sends(NO_KEY), "and no key could be made");
}

static void plans(EVP_PKEY *rsa)
{
	struct sim_plan p = plan();

	p.drop = SIM_KEY;
	greet(&p);
	hears(WANT_RSA);
	ok(got.count == 1 && ends(SIM_DROPPED), "drops at the key");
	sim_connect(&sim);
	hears(HELLO);
	hears(WANT_RSA);
	ok(is(1, SIM_MAKE_KEY), "but not again");

	p = plan();
	p.drop = SIM_WAIT;
	greet(&p);
	hears(WANT_RSA);
	made(rsa);
	ok(got.count == 2 && is(0, SIM_SEND) && ends(SIM_DROPPED) && sim.key != NULL,
	    "drops when the public key is sent");
	sim_connect(&sim);
	ok(sim.key == NULL, "and has lost it");
	p.keep_key = true;
	greet(&p);
	hears(WANT_RSA);
	made(rsa);
	sim_connect(&sim);
	hears(HELLO);
	step(SIM_MESSAGE, store_request(rsa, DEVICE), NULL);
	ok(is(0, SIM_KEEP), "or has kept it, and takes a certificate at once");

	p = plan();
	p.refuse = SIM_KEY;
	greet(&p);
	hears(WANT_RSA);
	ok(sends(1, NO_KEY), "refuses to make a key");
	p.refuse = SIM_DELETE;
	greet(&p);
	hears("55 0d 0000002a 0000");
	ok(only_sends("55 0e 0000002a 0004 01 0001 07"), "refuses to delete");

	p = plan();
	p.stop = SIM_KEY;
	greet(&p);
	hears(WANT_RSA);
	ok(only_sends(ABORT), "the user stops it");
	hears(REFUSED);
	ok(ends(SIM_STOPPED), "stopped");

	p = plan();
	p.hang = SIM_AUTH;
	greet(&p);
	ok(got.count == 0, "hangs");
	hears(REFUSED);
	ok(ends(SIM_REFUSED), "until the server has had enough");

	p = plan();
	p.claim_long = true;
	greet(&p);
	ok(only_sends("55 02 0000002a ffff"), "claims 65,535 bytes");

	p = plan();
	p.tamper = SIM_SESSION;
	greet(&p);
	ok(got.count == 1 && memcmp(got.list[0].bytes.p, "\x55\x02\0\0\0\x2b", 6) == 0,
	    "answers in another session");
}

/* As the independent clients of capf-protocol(7): whatever they do not expect they hang up at. */
static void strict(EVP_PKEY *rsa)
{
	static const char *const unknown[] = {"55 16 0000002a 000a 13 0001 02 06 0003 310100",
	    PROGRESS, "55 12 0000002a 0000", "55 10 0000002a 0000"};
	struct sim_plan p = plan();

	p.strict = true;
	greet(&p);
	hears(WANT_RSA);
	made(rsa);
	step(SIM_MESSAGE, store_request(rsa, DEVICE), NULL);
	hears(DONE);
	ok(ends(SIM_INSTALLED), "strict: a plain install");
	sim_connect(&sim);
	hears(HELLO);
	step(SIM_MESSAGE, store_request(rsa, DEVICE), NULL);
	ok(got.count == 1 && ends(SIM_DROPPED), "it hangs up at a certificate without being asked for a key");
	p.keep_key = true;
	sim_connect(&sim);
	hears(HELLO);
	step(SIM_MESSAGE, store_request(rsa, DEVICE), NULL);
	ok(is(0, SIM_KEEP), "but not when it keeps its key");
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
		greet(&p);
		hears(unknown[i]);
		ok(got.count == 1 && ends(SIM_DROPPED), "it hangs up at %s", unknown[i]);
	}
	greet(&p);
	hears("55 0b 0000002a 0000");
	ok(only_sends("55 0c 0000002a 0004 01 0001 07"), "it answers the first fetch");
	hears("55 0b 0000002a 0004 03 0001 02");
	ok(got.count == 1 && ends(SIM_DROPPED), "and hangs up at the second");
	greet(&p);
	hears("55 0d 0000002a 0000");
	ok(only_sends("55 0e 0000002a 0004 01 0001 07"), "with nothing to delete it says 7");
}

static void delays(void)
{
	struct sim_plan p = plan();

	p.delay[SIM_AUTH] = 100;
	p.delay[SIM_KEY] = 900;
	p.progress = 3;
	greet(&p);
	ok(got.count == 1 && is(0, SIM_SLEEP) && got.list[0].ms == 100, "takes its time");
	timer();
	ok(only_sends(ANSWER), "and then answers");
	hears(WANT_RSA);
	ok(got.count == 2 && sends(0, PROGRESS) && is(1, SIM_SLEEP) && got.list[1].ms == 300,
	    "a third of the time, and a sign of life");
	timer();
	ok(got.count == 2 && sends(0, PROGRESS) && is(1, SIM_SLEEP), "another");
	timer();
	ok(got.count == 2 && sends(0, PROGRESS) && is(1, SIM_SLEEP), "the last");
	timer();
	ok(got.count == 1 && is(0, SIM_MAKE_KEY), "then the key");
	p.progress = 0;
	greet(&p);
	timer();
	hears(WANT_RSA);
	ok(got.count == 1 && is(0, SIM_SLEEP) && got.list[0].ms == 900, "or all of it in silence");
	timer();
	ok(got.count == 1 && is(0, SIM_MAKE_KEY), "and the key");
	timer();
	ok(got.count == 0, "a timer that nobody set");
}

int main(void)
{
	struct spare_keys none = {0};
	EVP_PKEY *rsa = spare_keys_get(&none, 0, CAPFMSG_RSA, 2048, 0);
	EVP_PKEY *ec = spare_keys_get(&none, 0, CAPFMSG_EC, 0, CAPFMSG_P384);

	must(rsa != NULL && ec != NULL, "keys");
	for (enum sim_step s = SIM_CONNECT; s < SIM_STEPS; s++)
		ok(sim_step_of(sim_step_name(s), strlen(sim_step_name(s))) == s, "%s", sim_step_name(s));
	ok(sim_step_of("keys", 3) == SIM_KEY && sim_step_of("keys", 4) == SIM_STEPS, "names by length");
	flows(rsa, ec);
	endings();
	versions();
	plans(rsa);
	strict(rsa);
	delays();
	sim_free(&sim);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	return tap_done();
}
