# SPDX-License-Identifier: ISC
# Times as people give them: one grammar for options, templates and CSV, in local time. base/when has a unit test for
# what each form means.
load ../helper

# Requests of SEP000000000001 to 4, from 22:30 to 23:30 UTC on 14 January and at noon on 15 January 2027.
setup() {
	setup_each
	export CAPF_SPOOL=$SPOOL
	came 1 20270114T223000Z
	came 2 20270114T230000Z
	came 3 20270114T233000Z
	came 4 20270115T120000Z
}

# came N STAMP: nothing opens such a request.
came() {
	: >"$SPOOL/csr/SEP00000000000$1+$2+$(printf '%064d' "$1").csr"
}

# since TIME: the numbers of the phones that csr-list shows.
since() {
	csr-list -0 --since "$1" -P 1800000000 | tr '\0' '\n' | sed 's/SEP0*//' | xargs
}

complete_by() {
	sed -n 's/^complete-by = //p' "$SPOOL/phone/$1.conf"
}

@test "since a day is since it began where we are; what has a Z means the same everywhere" {
	local zone
	assert_equal "$(since 2027-01-15)" "4"
	for zone in UTC CET-1 PST8; do
		export TZ=$zone
		assert_equal "$(since 2027-01-14T23:00:00Z)" "2 3 4"
		assert_equal "$(since 20270114T233000Z)" "3 4"
		assert_equal "$(since @1799967600)" "2 3 4"
		assert_equal "$(since -9h)" "2 3 4"
		assert_equal "$(since 2027-01-15Z)" "4"
	done
	export TZ=CET-1
	assert_equal "$(since 2027-01-15)" "2 3 4"
	assert_equal "$(since '2027-01-15 00:30')" "3 4"
	assert_equal "$(since 2027-01-15T13:00)" "4"
	export TZ=PST8
	assert_equal "$(since 2027-01-15)" "4"
	assert_equal "$(since '2027-01-14 15:00')" "2 3 4"
}

@test "a span counts from the clock, wherever that stands on the command line" {
	assert_equal "$(csr-list -P 1800000000 --since -1h | wc -l)" 1
	assert_equal "$(csr-list --since -1h -P 1800000000 | wc -l)" 1
	assert_equal "$(csr-list --since=-1h -P 1800018001 | wc -l)" 0
	assert_equal "$(csr-list --since +1h -P 1800000000 | wc -l)" 1
	assert_equal "$(csr-list --since +5h -P 1800000000 | wc -l)" 0
}

@test "what expires before a day does not expire on it" {
	trust_lab 2>/dev/null
	make_csr SEP00000000000A ec256
	csr-add -P 1800000000 SEP00000000000A.csr >/dev/null
	csr-dump -o r.tgz SEP00000000000A 2>/dev/null
	# It ends at 23:30 UTC on 31 December 2027.
	csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -P "$(date -d '2027-01-15 23:30' +%s)" -d 350 -o c.tgz r.tgz
	cert-import -P 1801000000 c.tgz >/dev/null
	assert_equal "$(lsc-list | cut -f 3)" 2027-12-31T23:30:00Z
	assert_equal "$(lsc-list --expires-before 2027-12-31 | wc -l)" 0
	assert_equal "$(lsc-list --expires-before 2028-01-01 | wc -l)" 1
	assert_equal "$(TZ=CET-1 lsc-list --expires-before 2028-01-01 | wc -l)" 0
	assert_equal "$(TZ=CET-1 lsc-list --expires-before '2028-01-01 00:31' | wc -l)" 1
	assert_equal "$(lsc-list -P 1801000000 --expires-before +30d | wc -l)" 0
	assert_equal "$(lsc-list -P 1801000000 --expires-before +350d | wc -l)" 1
	phone-add SEP00000000000A
	assert_equal "$(TZ=CET-1 phone-list --lsc-expires-before 2028-01-01 | wc -l)" 0
	assert_equal "$(TZ=CET-1 phone-list --lsc-expires-before 2028-01-02 | wc -l)" 1
}

@test "a deadline is the end of its day where we are: option, template, CSV" {
	export TZ=CET-1CEST,M3.5.0,M10.5.0/3
	phone-add -P 1800000000 SEP00000000000A
	set_by() {
		phone-set -P 1800000000 --operation install --auth null --complete-by "$1" SEP00000000000A
	}
	set_by 2027-02-01
	assert_equal "$(complete_by SEP00000000000A)" 2027-02-01T22:59:59Z
	set_by 2027-07-01
	assert_equal "$(complete_by SEP00000000000A)" 2027-07-01T21:59:59Z
	set_by '2027-02-01 18:00'
	assert_equal "$(complete_by SEP00000000000A)" 2027-02-01T17:00:00Z
	set_by 2027-02-01T00:00:00Z
	assert_equal "$(complete_by SEP00000000000A)" 2027-02-01T00:00:00Z
	set_by +7d
	assert_equal "$(complete_by SEP00000000000A)" 2027-01-22T08:00:00Z
	set_by none
	assert_equal "$(complete_by SEP00000000000A)" ''
	echo 'template.soon.complete-by = 2027-02-02' >>"$SPOOL/capf.conf"
	phone-set -P 1800000000 --operation install --auth null --template soon SEP00000000000A
	assert_equal "$(complete_by SEP00000000000A)" 2027-02-02T22:59:59Z
	printf 'device,operation,auth,complete-by\nSEP00000000000B,install,null,2027-02-03\n' >phones.csv
	phone-add -P 1800000000 -c phones.csv
	assert_equal "$(complete_by SEP00000000000B)" 2027-02-03T22:59:59Z
	# The whole last day is time to complete it.
	assert_equal "$(phone-list --name '*B' -P "$(date -d '2027-02-03 23:59:59' +%s)" | cut -f 3)" pending
	assert_equal "$(phone-list --name '*B' -P "$(date -d '2027-02-04 00:00:00' +%s)" | cut -f 3)" failed
}

@test "a record of a phone has times in UTC and in one form, wherever it is read" {
	phone-add -P 1800000000 SEP00000000000A
	phone-set -P 1800000000 --operation install --auth null --complete-by 2027-02-01T00:00:00Z SEP00000000000A
	sed -i 's/^complete-by = .*/complete-by = +7d/' "$SPOOL/phone/SEP00000000000A.conf"
	run --separate-stderr phone-list
	assert_status 1
	assert_one_line 'complete-by wants a time such as 2026-01-31T08:00:00Z'
}

@test "what is no time is refused in one line that shows what is" {
	local bad
	for bad in yesterday 2027-02-29 2027-1-1 '2027-01-01 24:00' 7d +7 '' 1800000000; do
		run --separate-stderr csr-list --since "$bad"
		assert_status 100
		assert_equal "${stderr_lines[0]}" \
		    'csr-list: --since wants a time such as 2026-12-31, "2026-12-31 10:00", +7d, -12h or 2026-12-31T09:00:00Z'
		run --separate-stderr phone-set --complete-by "$bad" all
		assert_status 100
		[[ ${stderr_lines[0]} == 'phone-set: complete-by wants none, or a time such as 2026-12-31, '* ]] || fail "$stderr"
	done
	# A time that the clocks leave out.
	TZ=CET-1CEST,M3.5.0,M10.5.0/3 run --separate-stderr csr-list --since '2027-03-28 02:30'
	assert_status 100
	run --separate-stderr csr-list --older-than 2027-01-01
	assert_status 100
	assert_equal "${stderr_lines[0]}" 'csr-list: --older-than wants a span such as 12h, 7d or 4w'
}
