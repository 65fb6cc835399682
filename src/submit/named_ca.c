/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "site/settings.h"
#include "submit/named_ca.h"

struct only {
	char name[ONLINE_NAME_MAX + 1];
	bool several;
};

/* A field of some CA. */
static int take_name(void *ctx, const char *field, const char *value, struct reason *why)
{
	struct only *o = ctx;
	size_t len = strcspn(field, ".");

	(void)value;
	if (len > ONLINE_NAME_MAX)
		return reason_set(why, "ca.%.40s...: the name has more than %d characters", field, ONLINE_NAME_MAX);
	if (strncmp(o->name, field, len) == 0 && o->name[len] == '\0')
		return 0;
	o->several = o->several || *o->name != '\0';
	memcpy(o->name, field, len);
	o->name[len] = '\0';
	return 0;
}

/* The one that is meant without a name. -1 with a reason. */
static int find_only(const struct spool *s, struct only *o, struct reason *why)
{
	struct settings settings;

	if (settings_load(&settings, s->root, why) != 0)
		return -1;
	if (*settings.online_ca != '\0') {
		if (strlen(settings.online_ca) > ONLINE_NAME_MAX)
			return reason_set(why, "online-ca is too long");
		strcpy(o->name, settings.online_ca);
		return 0;
	}
	if (settings_named(s->root, "ca", NULL, take_name, o, why) < 0)
		return -1;
	if (o->several)
		return reason_set(why, "there are several CAs: name one, with --ca or as online-ca in capf.conf");
	return 0;
}

static int take_option(struct online_settings *c, const char *text, struct reason *why)
{
	const char *value = strchr(text, '=');
	char field[32];

	if (value == NULL || (size_t)(value - text) >= sizeof field)
		return reason_set(why, "\"%.60s\" is not field=value", text);
	memcpy(field, text, (size_t)(value - text));
	field[value - text] = '\0';
	return online_settings_take(c, field, value + 1, why);
}

int named_ca(const struct spool *s, const char *name, const char *const *set, size_t n, struct online_settings *c,
    struct reason *why)
{
	struct only only = {.several = false};
	int fields;

	if (name == NULL && find_only(s, &only, why) != 0)
		return -1;
	if (name == NULL)
		name = *only.name != '\0' ? only.name : n > 0 ? "options" : NULL;
	if (name == NULL)
		return reason_set(why, "there is no CA in capf.conf: ca.NAME.type, ca.NAME.url and so on, see capf.conf(5)");
	if (strlen(name) > ONLINE_NAME_MAX)
		return reason_set(why, "the name has more than %d characters", ONLINE_NAME_MAX);
	if (*name == '\0' || name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0')
		return reason_set(why, "a CA's name has letters, digits, '_' and '-'");
	online_settings_init(c, name);
	if ((fields = settings_named(s->root, "ca", name, online_settings_take, c, why)) < 0)
		return -1;
	if (fields == 0 && n == 0)
		return reason_set(why, "there is no such CA in capf.conf");
	for (size_t i = 0; i < n; i++)
		if (take_option(c, set[i], why) != 0)
			return -1;
	return online_settings_check(c, why);
}
