# SPDX-License-Identifier: ISC
# For the files that need a token with keys in it: `load ../token` after `load ../helper`. SoftHSM stands in for the HSM.

MODULE=/usr/lib/softhsm/libsofthsm2.so

# token: one that is called capf, and its PIN in the file pin.
token() {
	export SOFTHSM2_CONF=$PWD/softhsm2.conf PKCS11_MODULE_PATH=$MODULE
	# The engine itself leaks when it gives no key.
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	mkdir tokens
	printf '%s\n' "directories.tokendir = $PWD/tokens" 'objectstore.backend = file' 'log.level = ERROR' \
	    >"$SOFTHSM2_CONF"
	softhsm2-util --init-token --free --label capf --pin 123456 --so-pin 654321 >/dev/null
	echo 123456 >pin
}

# import_key FILE LABEL
import_key() {
	openssl pkcs8 -topk8 -nocrypt -in "$1" -out p8.pem
	softhsm2-util --import p8.pem --token capf --label "$2" --id 01 --pin 123456 >/dev/null
	rm p8.pem
}
