# SPDX-License-Identifier: ISC
# Many phones at once: who is meant, what would happen, and a second run of the same command.
load ../helper

NOW=1700000000	# 2023-11-14T22:13:20Z
setup() {
	setup_each
	export CAPF_SPOOL=$SPOOL
}

names() {
	phone-list -P $NOW -0 "$@" | tr '\0' ' '
}
# state DEVICE ORDER STATUS [LINE...]: as the server writes it.
state() {
	printf '%s\n' "scheduled = $2" "status = $3" "${@:4}" >"$SPOOL/phone/$1.state"
	chmod 600 "$SPOOL/phone/$1.state"
}
# identity DEVICE: of its order.
identity() {
	sed -n 's/^\(scheduled\|order\) = //p' "$SPOOL/phone/$1.conf" | tail -n 1
}
# Every file of the spool: when it was written, and what is in it.
snapshot() {
	find "$SPOOL" -type f -printf '%P %i %T@\n' -exec sha256sum {} + | sort
}

# --- a second run

@test "an order that waits is not given again: its time and its file stay, also when others change" {
	local order=(--operation install --auth string --string 271828 --complete-by 2030-01-01)
	phone-add --any-name SEP1 SEP2
	phone-set -P $NOW "${order[@]}" SEP1 SEP2
	snapshot >before
	run --separate-stderr phone-set -P $((NOW + 60)) "${order[@]}" all
	assert_silent
	snapshot | diff before -
	# A kill left one without it.
	phone-set -P $((NOW + 60)) --operation none SEP2
	phone-set -P $((NOW + 120)) "${order[@]}" all
	assert_equal "$(identity SEP1)" 2023-11-14T22:13:20Z
	assert_equal "$(identity SEP2)" 2023-11-14T22:15:20Z
	assert_equal "$(cut -f 3,4 "$SPOOL/journal" | grep -c '^install	SEP1$')" 1
}

@test "an order that waits keeps its requests: what else the command says is changed in it" {
	phone-add --any-name SEP1
	phone-set -P $NOW --operation install --auth null SEP1
	# The usual deadline counts from now, and so does one that is given.
	phone-set -P $((NOW + 86400)) --operation install --description lobby SEP1
	assert_equal "$(identity SEP1)" 2023-11-14T22:13:20Z
	grep -qx 'complete-by = 2023-11-25T22:13:20Z' "$SPOOL/phone/SEP1.conf"
	grep -qx 'description = lobby' "$SPOOL/phone/SEP1.conf"
	phone-set -P $((NOW + 86400)) --operation install --complete-by +1d SEP1
	assert_equal "$(identity SEP1)" 2023-11-14T22:13:20Z
	grep -qx 'complete-by = 2023-11-16T22:13:20Z' "$SPOOL/phone/SEP1.conf"
	assert_equal "$(cut -f 3,4 "$SPOOL/journal" | grep 'SEP1$' | xargs)" "added SEP1 install SEP1 changed SEP1 changed SEP1"
	# The phone has tried: that is not forgotten.
	state SEP1 2023-11-14T22:13:20Z pending 'attempts = 2'
	phone-set -P $((NOW + 86400)) --operation install SEP1
	assert_equal "$(identity SEP1)" 2023-11-14T22:13:20Z
}

@test "an order that is over, or another one, is a new order" {
	local option last=2023-11-14T22:13:20Z
	phone-add --any-name SEP1
	phone-set -P $NOW --operation install --auth string --string 271828 --complete-by 2030-01-01 SEP1
	for option in --string=314159 --rsa=3072 --ec=521 --key-order=ec --auth=null --operation=delete; do
		phone-set -P $NOW --complete-by 2030-01-01 --operation install $option SEP1
		refute [ "$(identity SEP1)" = "$last" ]
		last=$(identity SEP1)
	done
	for option in failed successful; do
		state SEP1 "$last" $option
		phone-set -P $NOW --complete-by 2030-01-01 --operation delete SEP1
		refute [ "$(identity SEP1)" = "$last" ]
		last=$(identity SEP1)
	done
	# Its time is over.
	phone-set -P 1900000000 --operation delete SEP1
	refute [ "$(identity SEP1)" = "$last" ]
	phone-set -P 1900000000 --operation none SEP1
	snapshot >before
	phone-set -P 1900000009 --operation none all
	snapshot | diff before -
}

@test "phone-add --update: a table that is read again changes nothing" {
	printf '%s\n' device,operation,auth,complete-by SEP1,install,null,2030-01-01 SEP2,delete,null,2030-01-01 >table.csv
	phone-add --any-name -P $NOW -u -c table.csv
	snapshot >before
	run --separate-stderr phone-add --any-name -P $((NOW + 60)) -u -c table.csv
	assert_silent
	snapshot | diff before -
}

# --- thousands

@test "thousands, all locked at once: what became of each order counts" {
	seq -f 'SEP%.0f' 1001 3000 | phone-add --any-name -P $NOW
	phone-set -P $NOW --operation install --auth string --string 271828 all
	# Its string is used.
	state SEP1500 2023-11-14T22:13:20Z successful
	run --separate-stderr phone-set -P $((NOW + 9)) --operation troubleshoot all
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has "SEP1500: auth is string, but there is no authentication string"
	assert_equal "$(names --operation troubleshoot | wc -w)" 1999
	# Names that are not there, among as many.
	run --separate-stderr bash -c '(echo SEP1; seq -f "SEP%.0f" 1001 3000; echo SEP9) | phone-set --description x'
	assert_status 1
	assert_stderr_line_count 2
	assert_stderr_has "SEP1: there is no such phone"
	assert_stderr_has "SEP9: there is no such phone"
	assert_equal "$(grep -lx 'description = x' "$SPOOL"/phone/*.conf | wc -l)" 2000
	[ -z "$(ls -A "$SPOOL/tmp")" ]
}

# --- dry runs

@test "phone-set --dry-run: what would be set, and nothing is" {
	phone-add --any-name SEP1 SEP2 SEP3
	phone-set -P $NOW --operation install --auth null --complete-by 2030-01-01 SEP1
	snapshot >before
	run --separate-stderr phone-set -n -P $NOW --operation install --auth null --complete-by 2030-01-01 all
	assert_status 0
	assert_output "SEP2	install
SEP3	install"
	run --separate-stderr phone-set -n -P $NOW --operation install --generate SEP2 SEP9
	assert_status 1
	assert_output "SEP2	install"
	assert_stderr_has "SEP9: there is no such phone"
	run --separate-stderr phone-set -n -P $NOW --description x --where status=pending
	assert_output "SEP1	changed"
	# Nobody is asked before nothing happens.
	run --separate-stderr phone-set -n --operation delete --auth null all </dev/null
	assert_status 0
	assert_line_count 3
	snapshot | diff before -
}

@test "phone-add --dry-run: what would be added and refused, and nothing is" {
	phone-add --any-name SEP1
	printf '%s\n' device,description SEP1,one SEP2,two SEP3,three SEP2,four >table.csv
	snapshot >before
	run --separate-stderr phone-add --any-name -n -c table.csv
	assert_status 1
	assert_output "SEP2	added
SEP3	added"
	assert_stderr_line_count 2
	assert_stderr_has "SEP1: is there already"
	run --separate-stderr phone-add --any-name -n -u SEP1 SEP4 -t nowhere
	assert_status 100
	sed 4q table.csv >once.csv
	run --separate-stderr phone-add --any-name -n -u -c once.csv
	assert_status 0
	assert_output "SEP1	changed
SEP2	added
SEP3	added"
	snapshot | diff before -
	phone-add --any-name -u -c table.csv 2>/dev/null || [ $? -eq 1 ]
	assert_equal "$(names)" "SEP1 SEP2 SEP3 "
}

# --- conditions

@test "--where: phone-list, phone-set and phone-del mean the same phones" {
	local condition option wanted d=SEP00000000000
	trust_lab
	phone-add --any-name ${d}1 ${d}2 ${d}3 ${d}4 ${d}5
	csr-add -P $NOW "$FIX"/csr/${d}[1-3].csr
	tar czf some.tgz -C "$FIX/der" ${d}1.der ${d}2.der
	cert-import some.tgz >/dev/null
	make_csr ${d}2 rsa9
	csr-add ${d}2.csr
	phone-set -P $NOW --operation install --string 271828 ${d}1
	phone-set -P $NOW --operation troubleshoot --auth null --key-order ec --description 'lobby; 1st floor' ${d}4
	while IFS='|' read -r condition option wanted; do
		assert_equal "$condition: $(names --where "$condition")" "$condition: $wanted"
		[ -z "$option" ] || assert_equal "$option: $(names "$option")" "$option: $wanted"
		assert_equal "$condition: $(phone-set -P $NOW -n --description x --where "$condition" | cut -f 1 | tr '\n' ' ')" \
			"$condition: $wanted"
		assert_equal "$condition: $(phone-del -P $NOW -n --where "$condition" | tr '\n' ' ')" "$condition: $wanted"
	done <<-EOF
	name=*[15]|--name=*[15]|${d}1 ${d}5 
	description=lobby*|--description=lobby*|${d}4 
	description=||${d}1 ${d}2 ${d}3 ${d}5 
	operation=install|--operation=install|${d}1 
	status=pending|--status=pending|${d}1 ${d}4 
	auth=null|--auth=null|${d}4 
	key-order=ec|--key-order=ec|${d}4 
	string=271828|--string=271828|${d}1 
	lsc=ready|--lsc=ready|${d}1 
	lsc=pending|--lsc=pending|${d}2 ${d}3 
	stale=yes|--stale|${d}2 
	lsc-expires-before=2099-01-01|--lsc-expires-before=2099-01-01|${d}1 
	lsc-expires-before=2020-01-01|--lsc-expires-before=2020-01-01|
	lsc-expires-before=+1d|--lsc-expires-before=+1d|
	lsc-expires-before=@4102444800|--lsc-expires-before=@4102444800|${d}1 
	issuer=*CN=Lab*|--issuer=*CN=Lab*|${d}1 
	issuer=Lab *|--issuer=Lab *|${d}1 
	issuer=CN=x|--issuer=CN=x|
	key=rsa|--key=rsa|${d}1 
	key=rsa-2048|--key=rsa-2048|${d}1 
	key=rsa-3072|--key=rsa-3072|
	key=ec|--key=ec|
	EOF
}

@test "--where: all conditions hold, with names too; a wrong one names the right ones" {
	local bad
	phone-add --any-name SEP1 SEP2 SEP3
	phone-set -P $NOW --operation install --auth null SEP1 SEP2
	phone-set -P $NOW --where status=pending --where 'name=SEP[23]' --description both
	assert_equal "$(grep -lx 'description = both' "$SPOOL"/phone/*.conf | xargs -n 1 basename)" SEP2.conf
	run --separate-stderr phone-set -P $NOW --where status=pending --description named SEP1 SEP3 SEP9
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has "SEP9: there is no such phone"
	assert_equal "$(grep -lx 'description = named' "$SPOOL"/phone/*.conf | xargs -n 1 basename)" SEP1.conf
	# Nobody: not all.
	run --separate-stderr phone-set -P $NOW --where status=failed --description nobody
	assert_silent
	refute grep -qx 'description = nobody' "$SPOOL"/phone/*.conf
	for bad in colour=red status=done status 'lsc-expires-before=soon' key=dsa key=rsa- stale=no; do
		for program in "phone-set --description x" phone-del phone-list; do
			run --separate-stderr $program --where "$bad"
			assert_status 100
			assert_stderr_has "${program%% *}: --where: "
		done
	done
	run --separate-stderr phone-list --where colour=red
	assert_stderr_has "is one of name, description, operation,"
	run --separate-stderr phone-list --where status=done
	assert_stderr_has 'status cannot be "done": it is one of none, pending, successful, failed'
	run --separate-stderr phone-list --where name=x --where name=y
	assert_stderr_has 'name comes twice'
}

# --- questions

@test "all, or what a condition says, is not deleted without a word" {
	phone-add --any-name SEP1 SEP2
	phone-set --auth null all
	for command in "phone-del all" "phone-del --where operation=none" "phone-set --operation delete all" \
	    "phone-set --operation delete --where operation=none"; do
		run --separate-stderr $command </dev/null
		assert_status 100
		assert_stderr_line_count 1
		assert_stderr_has "2 phones"
		assert_stderr_has "--yes"
		assert_equal "$(names --operation none)" "SEP1 SEP2 "
	done
	# Other operations, and names, need no word.
	phone-set --operation troubleshoot all
	phone-set --operation delete SEP1
	run --separate-stderr phone-set --operation delete --yes all
	assert_silent
	assert_equal "$(names --operation delete)" "SEP1 SEP2 "
	assert_equal "$(phone-del SEP1)" SEP1
	assert_equal "$(phone-del --yes all)" SEP2
	# There is nothing to ask about.
	run --separate-stderr phone-del all
	assert_silent
}

@test "on a terminal the question is asked" {
	phone-add --any-name SEP1
	run script -qec "phone-del all" /dev/null <<<n
	assert_status 1
	assert_output_has "Go on? [y/N]"
	assert_output_has "nothing was changed"
	assert_equal "$(names)" "SEP1 "
	run script -qec "phone-del all" /dev/null <<<y
	assert_status 0
	assert_equal "$(names)" ""
}

# --- messages

@test "what was mistaken is named, with the way on" {
	trust_lab
	run --separate-stderr cert-import "$FIX/csr.tgz"
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has "csr.tgz: holds certificate requests; cert-import wants the certificates"
	run --separate-stderr csr-add "$FIX/der.tgz"
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has "der.tgz: what was refused are certificates; csr-add wants requests, and cert-import takes certificates"
	run --separate-stderr csr-sign -c "$FIX/sub.pem" -k "$FIX/sub.key" -o out.tgz "$FIX/der.tgz"
	assert_status 1
	assert_stderr_has "no archive written; csr-sign wants requests, and cert-import takes certificates"
	# One among others is no such mistake.
	csr-add "$FIX/csr/SEP000000000001.csr"
	tar czf mixed.tgz -C "$FIX" csr/SEP000000000002.csr der/SEP000000000001.der
	run --separate-stderr cert-import mixed.tgz
	assert_status 1
	refute_stderr_has "holds certificate requests"
}

@test "a PKCS#7 in BER: what makes PEM of it" {
	trust_lab
	openssl crl2pkcs7 -nocrl -certfile "$FIX/root.pem" -outform DER -out one.p7b
	# The outermost length becomes indefinite.
	python3 -c 'import sys; d = open("one.p7b", "rb").read(); assert d[1] == 0x82
open("ber.p7b", "wb").write(b"\x30\x80" + d[4:] + b"\0\0")'
	run --separate-stderr cert-import ber.p7b
	assert_status 1
	assert_output_has 'is a PKCS#7 file in BER instead of DER: "openssl pkcs7 -print_certs" makes PEM of it'
	openssl pkcs7 -inform DER -print_certs -in ber.p7b >made.pem
	run --separate-stderr cert-import made.pem
	assert_output_has 'is in capf-trust'
}

@test "a directory in place of the one file: wrong usage; among several: refused" {
	local command
	trust_lab
	mkdir folder
	phone-add --any-name SEP1
	for command in "cert-import folder" "phone-add --any-name -f folder" "phone-add -c folder" "phone-set --rsa 2048 -f folder" \
	    "phone-set --string-file folder SEP1" "phone-del -f folder" "csr-delete -f folder" \
	    "stale-lsc delete -f folder"; do
		run --separate-stderr $command </dev/null
		assert_status 100
		assert_one_line "folder: "
		assert_stderr_has "Is a directory"
	done
	for command in "csr-add folder" "trust-add capf folder" \
	    "csr-sign -c $FIX/sub.pem -k $FIX/sub.key -o out.tgz folder"; do
		run --separate-stderr $command </dev/null
		assert_status 1
		assert_stderr_has "Is a directory"
	done
}

@test "a setting that there is not: the one that was meant" {
	echo 'keep_alive = 20' >>"$SPOOL/capf.conf"
	run --separate-stderr phone-add --any-name SEP1
	assert_status 100
	assert_one_line "capf.conf: line "
	assert_stderr_has "there is no setting keep_alive: did you mean keepalive?"
}

@test "capf-serve listens at a host's addresses; one that is not there is named" {
	timeout 60 capf-serve -l localhost:0 2>log &
	until_true grep -q event=ready log
	kill $!
	wait $! || true
	grep -q 'event=listening address=127.0.0.1:' log
	refute grep -q 'address=\[' log
	run --separate-stderr timeout 60 capf-serve -l nobody.invalid:3804
	refute [ "$status" -eq 0 ]
	assert_stderr_has "nobody.invalid:3804: no such host: "
}
