/* SPDX-License-Identifier: ISC */
/* Device names, such as SEP001122334455: which are legal, and which one a common name contains. */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"

#define DEVICE_MAX 50
#define DEVICE_MAC 12		/* hexadecimal digits of a MAC address */

/* Is this a device name: 1 to 50 letters, digits, '.', '_' and '-', which does not begin with '.' or '-', and is not a
 * word that a program takes in place of a name, such as "all"? */
bool device_ok(const char *, size_t len);

/* The device that a common name contains: what follows the last '-' when that looks like the name
 * of a phone (SEP001122334455, CSFjdoe), else the whole. False when neither is a legal name. */
bool device_from_cn(const char *cn, char out[DEVICE_MAX + 1]);

/* Does this common name name this device: the name itself, or anything, '-' and the name? */
bool device_named_by(const char *device, const char *cn);

/* Reads DEVICE_MAC hexadecimal digits in any case, with ':', '-' or '.' between them, and returns them in capitals.
 * False when the text is anything else. */
bool device_mac(const char *text, char out[DEVICE_MAC + 1]);
/* Reads a name that somebody typed. Blanks around it are dropped, and SEP or ATA with the digits of a MAC address become
 * the form in which phones say them: "sep00:11:22:33:44:55" is SEP001122334455. With any, a legal name is taken as it
 * stands; without it, one that looks like a typing error is refused. -1 with a reason. */
int device_typed(const char *text, bool any, char out[DEVICE_MAX + 1], struct reason *);
/* The same without a refusal, for names of phones that may exist already under any name. False when no legal name
 * comes of it. */
bool device_tidy(const char *text, char out[DEVICE_MAX + 1]);

#endif
