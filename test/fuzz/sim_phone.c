/* SPDX-License-Identifier: ISC */
/* The simulated phone against any server, as a script: the plan (10 bytes), then events. 0 to 2: a
 * message of any bytes; 3 and 4: one with our header; 5: the connection goes; 6: a new one; else
 * what a good server would send. While the phone wants to hear nothing it gets its timer or its
 * key. */
#include "fuzz.h"
#include "phone-sim/sim_phone.h"
#include "phone-sim/sim_words.h"
#include "x509/key.h"

#define ID 0x2a
#define DEVICE "CSF123"

static EVP_PKEY *key;
static struct bytes der;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct secret none = {NULL};
	struct reason r;

	(void)argc;
	(void)argv;
	law((key = key_load(FUZZ_DATA "/csf.key", &none, &r)) != NULL);
	der = fixture("csf.der");
	return 0;
}

static struct sim_plan take_plan(struct bytes *in)
{
	struct sim_plan p = {.version = take(in) % 5, .mode = take(in) % 4};
	uint8_t tamper = take(in), flags = take(in);

	p.tamper = (tamper & 128) != 0 ? SIM_CERTIFICATE : tamper % 6;
	p.strict = tamper / 6 & 1;
	p.string = (flags & 1) != 0 ? "1234" : NULL;
	if ((flags & 2) != 0)
		p.lsc = (struct sim_cert){der, key};
	if ((flags & 4) != 0)
		p.mic = (struct sim_cert){der, key};
	p.sudi = flags >> 3 & 1;
	p.reversed = flags >> 4 & 1;
	p.keep_key = flags >> 5 & 1;
	p.claim_long = flags >> 6 & 1;
	p.progress = take(in) % (SIM_PROGRESS_MAX + 1);
	p.delay[take(in) % SIM_STEPS] = 10 * (flags >> 7);
	p.refuse = take(in) % (SIM_STEPS + 1);
	p.drop = take(in) % (4 * SIM_STEPS) % (SIM_STEPS + 1);
	p.hang = take(in) % (4 * SIM_STEPS) % (SIM_STEPS + 1);
	p.stop = take(in) % (4 * SIM_STEPS) % (SIM_STEPS + 1);
	return p;
}

/* What a server sends when all goes well. */
static void friendly(struct buf *b, uint8_t op)
{
	struct capfmsg m = {.session = ID, .version = 3, .key_size = 2048, .curve = CAPFMSG_P256};
	struct reason r;

	switch (op % 8) {
	case 0:
		m.command = CAPFMSG_AUTH_REQUEST;
		capfmsg_add(&m, CAPFMSG_VERSION_TAG);
		break;
	case 1:
		m.command = CAPFMSG_KEY_REQUEST;
		m.key_type = op >> 3 & 1;
		capfmsg_add(&m, CAPFMSG_KEY_TYPE);
		capfmsg_add(&m, m.key_type == CAPFMSG_EC ? CAPFMSG_CURVE : CAPFMSG_KEY_SIZE);
		break;
	case 2:
		m.command = CAPFMSG_SIGN_REQUEST;
		m.signed_data = der;
		capfmsg_add(&m, CAPFMSG_SIGNED_DATA);
		break;
	case 3:
		m.command = CAPFMSG_STORE_REQUEST;
		m.certificate = der;
		capfmsg_add(&m, CAPFMSG_CERTIFICATE);
		break;
	case 4:
		m.command = CAPFMSG_FETCH_REQUEST;
		break;
	case 5:
		m.command = CAPFMSG_DELETE_REQUEST;
		break;
	case 6:
		m.command = op >> 3 & 1 ? CAPFMSG_STATUS_REQUEST : CAPFMSG_RETRY_LATER;
		break;
	default:
		m.command = CAPFMSG_END;
		m.reason = op >> 3 & 3;
		capfmsg_add(&m, CAPFMSG_REASON);
	}
	law(capfmsg_encode(&m, b, &r) == 0);
}

struct story {
	bool keeps, kept;	/* in this step, on this connection */
	uint32_t session;
	bool greeted;
};

static void on_action(const struct sim *s, struct story *t, const struct sim_action *one,
    bool claims)
{
	struct capfmsg m;
	struct reason r;

	switch (one->type) {
	case SIM_SEND:
		if (claims && s->state == SIM_HANGS)
			break;
		law(capfmsg_decode(one->bytes, &m, &r) == 0);
		law(m.session == t->session || s->plan->tamper == SIM_SESSION);
		law(m.command != CAPFMSG_STORE_RESPONSE || (m.reason == CAPFMSG_DONE) == t->keeps);
		break;
	case SIM_SLEEP:
		law(one->ms >= 0);
		break;
	case SIM_MAKE_KEY:
		law(s->state == SIM_MAKES);
		law(one->key_type == CAPFMSG_EC ? one->curve <= CAPFMSG_P521 :
		    one->bits >= 512 && one->bits <= 8192);
		break;
	case SIM_KEEP:
		law(one->bytes.len > 0 && s->key != NULL);
		t->keeps = t->kept = true;
		break;
	case SIM_CLOSE:
		law(s->state == SIM_OVER);
		break;
	}
}

static void step(struct sim *s, struct story *t, struct sim_event *e)
{
	unsigned char *own = copy(e->bytes.p, e->bytes.len);
	bool over = s->state == SIM_OVER;
	struct capfmsg m;
	struct sim_actions a;
	struct reason r;

	e->bytes.p = own;
	/* The server picks the id with its first message. */
	if (e->type == SIM_MESSAGE && !t->greeted && capfmsg_decode(e->bytes, &m, &r) == 0) {
		t->greeted = true;
		t->session = m.session;
	}
	t->keeps = false;
	sim_step(s, e, &a);
	law(a.count < SIM_ACTIONS_MAX && (!over || a.count == 0));
	for (size_t i = 0; i < a.count; i++) {
		law((a.list[i].type == SIM_CLOSE) == (i + 1 == a.count && s->state == SIM_OVER));
		on_action(s, t, &a.list[i], s->plan->claim_long);
	}
	law((s->outcome == SIM_RUNNING) == (s->state != SIM_OVER));
	law(s->outcome != SIM_INSTALLED || t->kept);
	law(s->outcome != SIM_TROUBLE || s->plan->mode >= SIM_EXISTING_LSC);
	law(sim_outcome_name(s->outcome) != NULL && (sim_good(s->outcome) ||
	    s->outcome == SIM_RUNNING ||
	    s->outcome == SIM_REFUSED || s->outcome == SIM_UNKNOWN_DEVICE ||
	    s->why.text[0] != '\0'));
	free(own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	struct sim_plan plan = take_plan(&in);
	struct story t = {.kept = false};
	struct sim s;

	sim_init(&s, &plan, DEVICE);
	sim_connect(&s);
	for (int steps = 0; in.len > 0 && steps < 48; steps++) {
		uint8_t op = take(&in), what = op & 7;
		struct sim_event e = {.type = SIM_MESSAGE};
		struct buf b = {0};

		if (what == 6) {
			sim_connect(&s);
			t = (struct story){.kept = false};
			continue;
		}
		if (what == 5) {
			e.type = SIM_GONE;
		} else if (s.state == SIM_SLEEPS) {
			e.type = SIM_TIMER;
		} else if (s.state == SIM_MAKES) {
			e.type = SIM_MADE;
			e.key = (op & 8) != 0 ? NULL : key;
		} else if (what < 3) {
			e.bytes = take_some(&in, op);
		} else if (what < 5) {
			uint8_t command = take(&in);

			frame(&b, command, ID, take_some(&in, take(&in)));
			e.bytes = (struct bytes){b.p, b.len};
		} else {
			friendly(&b, op >> 3);
			e.bytes = (struct bytes){b.p, b.len};
		}
		step(&s, &t, &e);
		buf_free(&b);
	}
	sim_free(&s);
	return 0;
}
