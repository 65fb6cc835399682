/* SPDX-License-Identifier: ISC */
/* Device names, such as SEP001122334455: which are legal, and which one a common name contains. */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#define DEVICE_MAX 50

/* Is this a device name: 1 to 50 letters, digits, '.', '_' and '-', which does not begin with '.' or '-', and is not a
 * word that a program takes in place of a name, such as "all"? */
bool device_ok(const char *, size_t len);

/* The device that a common name contains: what follows the last '-' when that looks like the name
 * of a phone (SEP001122334455, CSFjdoe), else the whole. False when neither is a legal name. */
bool device_from_cn(const char *cn, char out[DEVICE_MAX + 1]);

/* Does this common name name this device: the name itself, or anything, '-' and the name? */
bool device_named_by(const char *device, const char *cn);

#endif
