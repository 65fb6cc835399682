
# Offers those of the words on stdin, one a line, that begin with $1. Of what is offered, $before stands before the word,
# and readline has the first $cut characters already.
_capf_offer() {
	local word
	while read -r word; do
		[[ $word != "$1"* ]] || word=$before$word COMPREPLY+=("${word:cut}")
	done
}

# Offers what takes says, as far as it begins with $1.
_capf_take() {
	local what
	for what in $takes; do
		case $what in
		@NONE) ;;
		@FILE) compopt -o default 2>/dev/null ;;
		@DIR)
			compopt -o filenames 2>/dev/null
			_capf_offer "$1" < <(compgen -d -- "$1") ;;
		@USER) _capf_offer "$1" < <(compgen -u -- "$1") ;;
		@FIELD)
			if [[ $1 =~ (-file|certificate|key|agent)= ]]; then
				compopt -o default 2>/dev/null
			else
				_capf_offer "$1" <<<"${_capf_fields// /$'\n'}"
				[[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
			fi ;;
		@*) _capf_offer "$1" < <(capf ${spool:+-s "${spool/#~\//$HOME/}"} --list-names "${what#@}" 2>/dev/null) ;;
		*) _capf_offer "$1" <<<"$what" ;;
		esac
	done
}

# Sets takes to what the word behind $2 is, when that is an option of program $1 whose value is the next word. Of several
# letters in one word the last may be such an option.
_capf_wants() {
	local i
	takes=
	if [[ $2 == --* ]]; then
		[[ $2 == *=* ]] || _capf_takes "$1" "$2"
		return
	fi
	[[ $2 == -?* ]] || return 0
	for ((i = 1; i < ${#2}; i++)); do
		_capf_takes "$1" "-${2:i:1}"
		[ -z "$takes" ] || break
	done
	((i == ${#2} - 1)) || takes=
}

# Offers what the word $2 of a program $1 can be, behind the words that follow.
_capf_program() {
	local program=$1 current=$2 place=1 takes= options= word behind= only=
	shift 2
	for word; do
		if [ -n "$behind" ]; then
			[[ $behind != -s && $behind != --spool ]] || spool=$word
			behind=
		elif [ -n "$only" ] || [[ $word != -?* ]]; then
			place=$((place + 1))
		elif [ "$word" = -- ]; then
			only=yes
		else
			case $word in
			--spool=*) spool=${word#*=} ;;
			-s?*) spool=${word#-s} ;;
			esac
			_capf_wants "$program" "$word"
			[ -z "$takes" ] || behind=$word
		fi
	done
	takes=
	if [ -n "$behind" ]; then
		_capf_wants "$program" "$behind"
	elif [ -z "$only" ] && [[ $current == --*=* ]]; then
		_capf_takes "$program" "${current%%=*}"
		before+=${current%%=*}=
		current=${current#*=}
	elif [ -z "$only" ] && [[ $current == -* ]]; then
		_capf_options "$program"
		_capf_offer "$current" <<<"${options// /$'\n'}"
		return
	else
		_capf_arguments "$program" $place
	fi
	_capf_take "$current"
}

# Offers the words of capf that begin with $1 behind the words that follow, or what the program takes that these run.
_capf_words() {
	local current=$1 line words runs offered=' '
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		-s | --spool)
			if [ $# -eq 1 ]; then
				takes=@DIR _capf_take "$current"
				return
			fi
			spool=$2
			shift ;;
		-s?*) spool=${1#-s} ;;
		--spool=*) spool=${1#--spool=} ;;
		utils | -*) ;;
		capf) ;;
		*) break ;;
		esac
		shift
	done
	[ "${1-}" != help ] || shift
	while IFS='|' read -r words runs; do
		[ -n "$words" ] || continue
		if [ $# -gt 0 ] && { [ "$words" = "$1" ] || [ "$words" = "$1 ${2-}" ]; }; then
			# stale-lsc list: its first argument is in the list.
			[[ $words != *' '* ]] || shift
			shift
			[[ $runs != *' '* ]] || set -- "${runs#* }" "$@"
			_capf_program "${runs%% *}" "$current" "$@"
			return
		elif [ $# -eq 1 ] && [[ $words == "$1 "* ]]; then
			words=${words#* }
		elif [ $# -eq 0 ]; then
			words=${words%% *}
		else
			continue
		fi
		[[ $offered == *" $words "* ]] || _capf_offer "$current" <<<"$words"
		offered+="$words "
	done <<<"$_capf_commands"
	if [ $# -eq 0 ] && [[ $current == -* ]]; then
		_capf_offer "$current" <<<$'-s\n--spool\n-h\n--help\n-V\n--version'
	fi
}

_capf() {
	local program=${COMP_WORDS[0]##*/} spool= before= cut=0 i=0 glued= word
	local -a line=()
	COMPREPLY=()
	# Bash takes --format=pem, and rsa:2048, for three words. The pieces are put together; what is offered
	# replaces the last of them.
	for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
		if ((i > 1)) && { [ -n "$glued" ] || [[ $word =~ ^[=:]+$ ]]; }; then
			[[ $word =~ ^[=:]+$ ]] && glued=yes || glued=
			line[i - 1]+=$word
			cut=${line[i - 1]}
		else
			glued= cut=
			line[i++]=$word
		fi
	done
	cut=${cut%"${cut##*[=:]}"}
	cut=${#cut}
	if [ "$program" = capf ]; then
		_capf_words "${line[i - 1]}" "${line[@]:1:i-2}"
	elif [[ " $_capf_programs " == *" $program "* ]]; then
		_capf_program "$program" "${line[i - 1]}" "${line[@]:1:i-2}"
	fi
}

complete -F _capf capf $_capf_programs
