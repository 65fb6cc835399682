/* SPDX-License-Identifier: ISC */
/* Whole sessions of the server, as a script of events. The script: the order (5 bytes), then events, each
 * a byte of which the lower five bits are
 *	0 to 9		the event of that number; bytes as below
 *	10		MESSAGE with our header: command, length, body
 *	11 to 31	the answer that is awaited: the phone's next message, or the outside's
 * and 64 and 128 give it a reason and make it final. bytes are a length of two bytes and what follows.
 * What must hold whatever comes is in on_action(). */
#include "capf/session.h"
#include "fuzz.h"

#define ID 0x2a

/* What has happened so far. */
struct story {
	bool found, ordered, trusted, closed, ended;
	unsigned settled;	/* INSTALLED, FETCH_DONE, DELETED, FAILED */
	struct buf certificate;	/* the last one that came while it was welcome */
	struct order order;
};

static struct order take_order(struct bytes *in)
{
	uint8_t a = take(in), b = take(in), c = take(in);

	return (struct order){.operation = a % 6, .key_order = (a >> 4) % 3,
	    .rsa_bits = (uint16_t)(take(in) << 8 | take(in)), .curve = b & 3, .resume = b >> 2 & 1,
	    .store_refusals = b >> 3 & 3, .phone_signs = b >> 5 & 1, .phone_must_sign = b >> 6 & 1,
	    .fetch_mic = b >> 7, .keepalive = (c & 1) != 0 ? CAPFMSG_IN_PROGRESS :
	    (c & 2) != 0 ? CAPFMSG_STATUS_REQUEST : 0, .key_failures = c >> 2 & 3,
	    .key_tries = c >> 4 & 3, .why = {.text = "no"}};
}

static struct bytes take_counted(struct bytes *in)
{
	size_t len = (size_t)take(in) << 8;

	return take_some(in, len | take(in));
}

/* A message that says yes, as the state awaits it. */
static void friendly(struct buf *b, const char *state, struct bytes tail)
{
	static const struct {
		const char *state;
		uint8_t command;
		const char *body;
		size_t len;
	} answers[] = {
		{"hello", CAPFMSG_AUTH_RESPONSE, "\x0d\0\7CSF123\0\7\0\1\3\1\0\1\1", 18},
		{"key", CAPFMSG_KEY_RESPONSE, "\x9\0\2\xaa\xbb", 5},
		{"sign", CAPFMSG_SIGN_RESPONSE, "\x14\0\7\2\0\4\x11\x22\x33\x44", 10},
		{"store", CAPFMSG_STORE_RESPONSE, "\1\0\1\1", 4},
		{"fetch", CAPFMSG_FETCH_RESPONSE, "\4\0\7\1\0\4\0\1\x30\0", 10},
		{"delete", CAPFMSG_DELETE_RESPONSE, "\1\0\1\1", 4},
	};
	struct buf body = {0};

	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
		if (strcmp(state, answers[i].state) == 0) {
			buf_put(&body, answers[i].body, answers[i].len);
			buf_put(&body, tail.p, tail.len);
			frame(b, answers[i].command, ID, (struct bytes){body.p, body.len});
		}
	buf_free(&body);
}

static enum session_event_type awaited(const char *state)
{
	return strcmp(state, "begin") == 0 ? SESSION_START : strcmp(state, "look-up") == 0 ? SESSION_ORDER :
	    strcmp(state, "auth") == 0 ? SESSION_AUTH_OK : strcmp(state, "prepare") == 0 ?
	    SESSION_TO_SIGN : strcmp(state, "wait") == 0 ? SESSION_CERTIFICATE :
	    strcmp(state, "check") == 0 ? SESSION_TAKEN : SESSION_MESSAGE;
}

/* Is the event a message with this command that says done? */
static bool says(const struct session_event *e, uint8_t command, bool nothing_too)
{
	struct capfmsg m;
	struct reason r;

	return e->type == SESSION_MESSAGE && capfmsg_decode(e->bytes, &m, &r) == 0 &&
	    m.session == ID &&
	    m.command == command && capfmsg_has(&m, CAPFMSG_REASON) &&
	    (m.reason == CAPFMSG_DONE || (nothing_too && m.reason == CAPFMSG_NOTHING));
}

static void on_send(struct story *t, struct bytes bytes)
{
	struct capfmsg m;
	struct reason r;

	law(capfmsg_decode(bytes, &m, &r) == 0 && m.session == ID && m.unknowns == 0);
	law(!t->ended);
	switch (m.command) {
	case CAPFMSG_END:
		law(capfmsg_has(&m, CAPFMSG_REASON));
		t->ended = true;
		break;
	case CAPFMSG_AUTH_REQUEST:
		law(!t->found);
		break;
	case CAPFMSG_STORE_REQUEST:
		law(same(m.certificate, (struct bytes){t->certificate.p, t->certificate.len}));
		/* fall through */
	default:
		/* Nobody is asked for anything who has not proved himself. */
		law(t->trusted);
	}
}

static void on_action(struct story *t, const struct session_event *e,
    const struct session_action *one,
    const char *state)
{
	bool settles = false;

	law(!t->closed);
	switch (one->type) {
	case SESSION_SEND:
		on_send(t, one->bytes);
		break;
	case SESSION_CLOSE:
		t->closed = true;
		law(t->ended || t->settled == 1);
		break;
	case SESSION_TIMER:
		law(one->timer <= SESSION_TIMER_KEEPALIVE);
		break;
	case SESSION_LOOK_UP:
		law(!t->found && device_ok(one->message->device, strlen(one->message->device)));
		t->found = true;
		break;
	case SESSION_AUTHENTICATE:
		law(t->ordered && t->order.operation >= SESSION_INSTALL && !t->trusted);
		law(one->message->command == CAPFMSG_AUTH_RESPONSE && one->message->session == ID);
		break;
	case SESSION_PREPARE:
	case SESSION_CERTIFY:
		law(one->bytes.len > 0);
		/* fall through */
	case SESSION_AWAIT:
		law(t->trusted && t->order.operation == SESSION_INSTALL);
		break;
	case SESSION_INSTALLED:
		settles = true;
		law(strcmp(state, "store") == 0 && says(e, CAPFMSG_STORE_RESPONSE, false));
		break;
	case SESSION_STORE_FAILED:
		law(strcmp(state, "store") == 0 && !says(e, CAPFMSG_STORE_RESPONSE, false));
		break;
	case SESSION_FETCHED:
		law(strcmp(state, "fetch") == 0 && one->bytes.len > 0);
		break;
	case SESSION_FETCH_DONE:
		settles = true;
		law(t->order.operation == SESSION_FETCH && strcmp(state, "check") == 0);
		break;
	case SESSION_DELETED:
		settles = true;
		law(strcmp(state, "delete") == 0 && says(e, CAPFMSG_DELETE_RESPONSE, true));
		break;
	case SESSION_FAILED:
		settles = true;
		law(session_failure_name(one->failure) != NULL);
		break;
	case SESSION_NOTE:
		break;
	}
	law(strnlen(one->why.text, REASON_MAX) < REASON_MAX);
	t->settled += settles;
	law(t->settled <= 1);
}

static void step(struct session *s, struct story *t, struct session_event *e)
{
	const char *before = session_state(s);
	bool waits = session_waits(s);
	unsigned char *own = copy(e->bytes.p, e->bytes.len);
	struct session_actions a;

	e->bytes.p = own;
	law(waits == (strcmp(before, "wait") == 0));
	t->ordered |= e->type == SESSION_ORDER && strcmp(before, "look-up") == 0;
	t->trusted |= e->type == SESSION_AUTH_OK && strcmp(before, "auth") == 0;
	if (e->type == SESSION_CERTIFICATE && waits) {
		buf_free(&t->certificate);
		buf_put(&t->certificate, own, e->bytes.len);
	}
	session_step(s, e, &a);
	/* The last place is for what does not fit. */
	law(a.count < SESSION_ACTIONS_MAX);
	for (size_t i = 0; i < a.count; i++)
		on_action(t, e, &a.list[i], before);
	law(t->closed == (strcmp(session_state(s), "over") == 0));
	law(*session_device(s) == '\0' || device_ok(session_device(s), strlen(session_device(s))));
	free(own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	struct session *s = session_new(ID);
	struct story t = {.order = take_order(&in)};

	law(s != NULL);
	for (int steps = 0; in.len > 0 && steps < 64; steps++) {
		uint8_t op = take(&in);
		struct session_event e = {.order = &t.order, .why = (op & 64) != 0 ? "why" : NULL,
		    .final = op >> 7};
		struct buf b = {0};

		op &= 31;
		if (op < 10) {
			e.type = op;
			e.bytes = take_counted(&in);
		} else if (op == 10) {
			uint8_t command = take(&in);

			e.type = SESSION_MESSAGE;
			frame(&b, command, ID, take_counted(&in));
			e.bytes = (struct bytes){b.p, b.len};
		} else {
			e.type = awaited(session_state(s));
			if (e.type == SESSION_MESSAGE) {
				friendly(&b, session_state(s), take_some(&in, op - 11));
				e.bytes = (struct bytes){b.p, b.len};
			} else {
				e.bytes = take_some(&in, op - 11);
			}
		}
		step(s, &t, &e);
		buf_free(&b);
	}
	session_free(s);
	buf_free(&t.certificate);
	return 0;
}
