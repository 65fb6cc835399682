# SPDX-License-Identifier: ISC
# For the files that want a CA on the network which takes what CAPF vouches for: `load ../online_cmp` after `load ../serving`,
# whose teardown ends it.

# ra_certificate: ra.pem and ra.key, by the lab's root.
ra_certificate() {
	[ -s ra.pem ] || openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ra.key -subj /CN=RA 2>/dev/null |
	    openssl x509 -req -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -days 30 -out ra.pem 2>/dev/null
}

# online_cmp NAME [SWITCH...]: the CA NAME of capf.conf is a CMP server with the lab's root, which writes what it issues to
# the file issued. It may be there already, by the same name.
online_cmp() {
	local name=$1
	ra_certificate
	rm -f cmp.port
	"$OBJ/servers/cmp-server" -c "$FIX/root.pem" -k "$FIX/root.key" -l issued -a ra.pem "${@:2}" >cmp.port 3>&- &
	echo $! >>pids
	until_true [ -s cmp.port ]
	sed -i "/^ca\.$name\./d" "$SPOOL/capf.conf"
	printf "ca.$name.%s\n" 'type = cmp' "url = http://127.0.0.1:$(<cmp.port)/cmp" "issuer-file = $FIX/root.pem" \
	    "ra-certificate = $PWD/ra.pem" "ra-key = $PWD/ra.key" >>"$SPOOL/capf.conf"
}
