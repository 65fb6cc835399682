
# A field of a CA and its value; the files that are named there.
_capf_field() {
	if compset -P '*(-file|certificate|key|agent)='; then
		_files
	else
		compadd -S '' -- ${(M)_capf_fields:#*=}
		compadd -- ${_capf_fields:#*=}
	fi
}

# Names of kind $1 in the spool, and the words that follow.
_capf_names() {
	local spool=$_capf_spool i
	local -a names
	for ((i = 2; i < CURRENT; i++)); do
		case $words[i] in
		(-s|--spool) ((i + 1 < CURRENT)) && spool=$words[i+1] ;;
		(--spool=*) spool=${words[i]#*=} ;;
		(-s?*) spool=${words[i]#-s} ;;
		esac
	done
	names=(${(f)"$(capf ${spool:+-s} ${spool:+${(Q)spool/#\~\//$HOME/}} --list-names $1 2>/dev/null)"})
	compadd -- $names "${@:2}"
}

# The words of capf, or what the program takes that these run.
_capf_front() {
	local i=2 line
	local -a part rest
	while ((i < CURRENT)); do
		case $words[i] in
		(-s|--spool)
			if ((i + 1 == CURRENT)); then
				_files -/
				return
			fi
			_capf_spool=$words[i+1]
			((i++)) ;;
		(--spool=*) _capf_spool=${words[i]#*=} ;;
		(-s?*) _capf_spool=${words[i]#-s} ;;
		(-*|utils|capf|help) ;;
		(*) break ;;
		esac
		((i++))
	done
	if ((i == CURRENT)); then
		if [[ $words[CURRENT] == -* ]]; then
			compadd -- -s --spool -h --help -V --version
		else
			_describe -t commands command _capf_first
		fi
		return
	fi
	for line in $_capf_commands; do
		part=("${(@s:|:)line}")
		if [[ $part[1] == $words[i] || ( i+1 -lt CURRENT && $part[1] == "$words[i] $words[i+1]" ) ]]; then
			[[ $part[1] != *' '* ]] || ((i++))
			# stale-lsc list: its first argument is in the list.
			rest=(${(s: :)part[2]})
			words=($rest "${(@)words[i+1,-1]}")
			CURRENT=$((CURRENT - i + $#rest))
			_capf_program $rest[1]
			return
		elif ((i + 1 == CURRENT)) && [[ $part[1] == "$words[i] "* ]]; then
			rest+=("${part[1]#* }:$part[3]")
		fi
	done
	((! $#rest)) || _describe -t commands command rest
}

_capf() {
	local _capf_spool=
	case $service in
	(capf) _capf_front ;;
	(*) _capf_program $service ;;
	esac
}

_capf "$@"
