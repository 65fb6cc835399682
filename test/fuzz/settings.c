/* SPDX-License-Identifier: ISC */
/* capf.conf: whatever is accepted is within its limits, says the same in other surroundings, and
 * has no line that libinih would cut in two. */
#include "fuzz.h"
#include "site/settings.h"

static void check_ranges(const struct settings *c)
{
	law(c->import_max_entries >= 1 && c->import_max_entry_bytes >= 1 &&
	    c->import_max_entry_bytes <= 1 << 20 && c->import_max_total_bytes >= 1 &&
	    c->import_max_ratio >= 1 && c->import_max_ratio <= 1032);
	law(c->keep_done >= 0 && c->keep_superseded >= 0 && c->keep_installed >= 0 && c->keep_trace >= 0 &&
	    c->operation_expires >= 0);
	law(c->keepalive >= 1 && c->keepalive <= 3600 &&
	    c->keepalive_message <= SETTINGS_KEEPALIVE_STATUS_REQUEST);
	law(c->string_digits >= 4 && c->string_digits <= 15);
	law(c->issuer <= SETTINGS_ISSUER_CAPF && c->issuer_days >= 1 && c->issuer_days <= 1825);
	law(c->legacy_tls <= 1 && c->enable_ipv6 <= 1 && c->resume <= 1 && c->fetch_mic <= 1 &&
	    c->accept_expired <= 1 && c->accept_weak_mic <= 1);
	law(c->handshake_timeout >= 1 && c->message_timeout >= 1 && c->key_timeout >= 1);
	law(strlen(c->listen) <= SETTINGS_TEXT_MAX && strlen(c->issuer_certificate) <= SETTINGS_TEXT_MAX &&
	    strlen(c->issuer_key) <= SETTINGS_TEXT_MAX);
}

/* The longest of the lines. */
static size_t longest(const char *text)
{
	size_t most = 0, n;

	for (; *text != '\0'; text += n + (text[n] == '\n'))
		if ((n = strcspn(text, "\n")) > most)
			most = n;
	return most;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size), *more;
	struct settings *c = calloc(1, sizeof *c), *again = calloc(1, sizeof *again);
	struct reason why = {.text = ""};

	law(c != NULL && again != NULL);
	if (text != NULL && settings_parse(c, text, &why) == 0) {
		check_ranges(c);
		law(longest(text) <= SETTINGS_TEXT_MAX);
		law((more = malloc(size + 32)) != NULL);
		snprintf(more, size + 32, "# x\n%s\n; y\n", text);
		if (memcmp(text, "\xef\xbb\xbf", size < 3 ? size : 3) != 0)
			law(settings_parse(again, more, &why) == 0 && memcmp(c, again, sizeof *c) == 0);
		snprintf(more, size + 32, "%s\nno-such-thing = 1\n", text);
		law(settings_parse(again, more, &why) != 0);
		free(more);
	} else if (text != NULL) {
		law(why.text[0] != '\0');
	}
	free(text);
	free(c);
	free(again);
	return 0;
}
