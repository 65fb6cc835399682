# SPDX-License-Identifier: ISC
# For the files that need an EST or HTTPS server: `load ../online_est` after `load ../helper`.

# tls_ca NAME: NAME-ca.pem and its key, a CA for servers and clients of TLS.
tls_ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1-ca.key" -out "$1-ca.pem" -subj "/CN=$1 CA" \
	    -days 30 -addext 'keyUsage=critical,keyCertSign,cRLSign' 2>/dev/null
}

# tls_certificate CA NAME SAN [BEGIN END]: NAME.pem and NAME.key by that CA; times as YYYYMMDDHHMMSSZ.
tls_certificate() {
	mkdir -p "work-$2"
	: >"work-$2/index"
	printf '%s\n' '[ca]' 'default_ca = x' '[x]' "new_certs_dir = work-$2" "database = work-$2/index" \
	    "certificate = $1-ca.pem" "private_key = $1-ca.key" 'rand_serial = yes' 'default_md = sha256' 'policy = p' \
	    'unique_subject = no' 'x509_extensions = e' '[p]' 'commonName = supplied' '[e]' \
	    'basicConstraints = CA:FALSE' ${3:+"subjectAltName = $3"} >"work-$2/cnf"
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$2.key" -subj "/CN=$2" \
	    -out "work-$2/req" 2>/dev/null
	openssl ca -batch -config "work-$2/cnf" -in "work-$2/req" -out "$2.pem" -notext \
	    -startdate "${4:-20200101000000Z}" -enddate "${5:-20490101000000Z}" 2>/dev/null
}

# est_place: the directory est of a server, with a certificate for localhost by tls-ca.pem.
est_place() {
	mkdir -p est
	cp "$FIX/root.pem" est/ca.pem
	cp "$FIX/root.key" est/ca.key
	cp "$FIX/phone.ext" est/phone.ext
	tls_ca tls
	tls_certificate tls localhost DNS:localhost
	cp localhost.pem est/tls.pem
	cp localhost.key est/tls.key
}

# est_start SWITCH...: starts the server, after ending the one before; PORT is its port.
est_start() {
	est_stop
	rm -f est/port est/requests est/issued
	python3 "$TESTDIR/data/est-server.py" "$@" est >server.log 2>&1 3>&- &
	EST_SERVER=$!
	until_true test -s est/port
	PORT=$(<est/port)
}

est_stop() {
	if [ -n "${EST_SERVER:-}" ]; then
		kill "$EST_SERVER" 2>/dev/null || true	# it may have ended by itself
		wait "$EST_SERVER" 2>/dev/null || true
	fi
	EST_SERVER=
}

# asked: how many requests the server got.
asked() {
	if [ -e est/requests ]; then wc -l <est/requests; else echo 0; fi
}
