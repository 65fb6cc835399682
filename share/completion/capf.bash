# SPDX-License-Identifier: ISC
# Completion for capf and the programs behind it, in bash. For one user, in ~/.bashrc:
#	. /usr/local/share/capfkit/completion/capf.bash
# For all: a copy in /usr/share/bash-completion/completions, named capf, with links to it that are
# named after the programs. Options come from --list-options, names of devices and CAs from the spool.

_capf_programs='ca-init capf-enroll capf-init capf-probe cert-import csr-add csr-count csr-delete csr-dump csr-list
csr-sign csr-submit capf-serve ctl-make ctl-show lsc-export lsc-list phone-add phone-config phone-del phone-list
phone-report phone-set phone-sim spool-check stale-lsc trust-add trust-del trust-list'

# The option letters and long options of a program.
_capf_options() {
	"$1" --list-options 2>/dev/null | while IFS=$'\t' read -r letter name _; do
		[ "$letter" = - ] || echo "-$letter"
		echo "--$name"
	done
}

# What may stand in a program's place number $2, options not counted.
_capf_arguments() {
	case $1 in
	trust-add | trust-list) [ "$2" -gt 1 ] || echo capf callmanager ;;
	trust-del)
		[ "$2" -gt 1 ] || echo capf callmanager
		[ "$2" -le 1 ] || trust-list 2>/dev/null | cut -f 6 ;;
	csr-dump | csr-delete) echo all; csr-list 2>/dev/null | cut -f 1 ;;
	capf-probe | phone-config) phone-list 2>/dev/null | cut -f 1 ;;
	lsc-export) echo all; lsc-list -i 2>/dev/null | cut -f 1 ;;
	phone-del | phone-set) echo all; phone-list 2>/dev/null | cut -f 1 ;;
	stale-lsc)
		[ "$2" -gt 1 ] || echo list view delete
		[ "$2" -le 1 ] || { echo all; stale-lsc list 2>/dev/null | cut -f 1 | uniq; } ;;
	esac
}

# The fields of a CA on the network, capf.conf(5), with what a word is chosen of.
_capf_fields() {
	printf '%s=\n' url label template jurisdiction user {password,challenge,ca,pass,secret,issuer}-file certificate key \
	    ra-certificate ra-key reference agent agent-key parallel rate connect-timeout timeout
	printf '%s\n' type={est,scep,cmp,certsrv} shape={none,agent,behalf} {cmc,send-unproved,allow-des,ntlm}={no,yes} \
	    lost-answer={hold,ask}
}

# The words that may stand behind option $2 of program $1; the spool is $3.
_capf_values() {
	case "$1 $2" in
	'csr-dump -F' | 'csr-dump --format') echo pem der cmc cmc-der spki ;;
	'lsc-export -F' | 'lsc-export --format') echo pem der ;;
	'csr-dump --shape') echo none agent behalf ;;
	'csr-dump --proof') echo own ra ;;
	'ctl-make -D' | 'ctl-make --digest') echo SHA1 SHA512 ;;
	'ctl-make --file-version') echo 1.0 1.1 ;;
	'csr-submit -c' | 'csr-submit --ca' | 'capf-enroll -c' | 'capf-enroll --ca')
		sed -n 's/^ca\.\([A-Za-z0-9_-]*\)\..*/\1/p' "${3:-/var/spool/capf}/capf.conf" 2>/dev/null | sort -u ;;
	'csr-submit -O' | 'csr-submit --option' | 'capf-enroll -O' | 'capf-enroll --option') _capf_fields ;;
	esac
}

# Completes word $2 of a program $1 whose arguments, so far, are the rest.
_capf_program() {
	local program=$1 current=$2 places=1 word skip= spool=${CAPF_SPOOL-}
	shift 2
	for word; do
		case ${skip:-$word} in
		-s | --spool) skip=spool ;;
		spool) spool=$word skip= ;;
		-*) ;;
		*) places=$((places + 1)) ;;
		esac
	done
	# Nothing but ours is run. Behind -s stands the name of a directory.
	[[ " ${_capf_programs//$'\n'/ } " == *" $program "* ]] && [ "$skip" != spool ] || return 0
	word=$(_capf_values "$program" "${@: -1}" "$spool")
	if [ -n "$word" ]; then
		:
	elif [[ $current == -* ]]; then
		word=$(_capf_options "$program")
	else
		word=$(CAPF_SPOOL=$spool _capf_arguments "$program" $places)
	fi
	mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
}

_capf() {
	local program=${1##*/} current=$2 words
	local -a before=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
	COMPREPLY=()
	if [ "${before[0]-}" = -s ] && [ ${#before[@]} -ge 2 ] && [ "$program" = capf ]; then
		local CAPF_SPOOL=${before[1]}
		before=("${before[@]:2}")
	fi
	if [ "$program" != capf ]; then
		_capf_program "$program" "$current" "${before[@]}"
		return
	fi
	case "${#before[@]} ${before[0]-}" in
	'0 ') words='init ca trust phone csr cert lsc stale-lsc ctl spool enroll probe set -h -s -V' ;;
	'1 ca') words=init ;;
	'1 trust') words='add list del' ;;
	'1 phone') words='add set list report config del' ;;
	'1 csr') words='add count list dump delete sign submit' ;;
	'1 cert') words=import ;;
	'1 ctl') words='make show' ;;
	'1 lsc') words='list export' ;;
	'1 spool') words=check ;;
	'1 set') words=keep_alive ;;
	*' init') _capf_program capf-init "$current" "${before[@]:1}"; return ;;
	*' enroll') _capf_program capf-enroll "$current" "${before[@]:1}"; return ;;
	*' probe') _capf_program capf-probe "$current" "${before[@]:1}"; return ;;
	*' stale-lsc') _capf_program stale-lsc "$current" "${before[@]:1}"; return ;;
	*) _capf_program "${before[0]}-${before[1]-}" "$current" "${before[@]:2}"; return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

# Where there is nothing to offer, names of files.
complete -o default -F _capf capf $_capf_programs
