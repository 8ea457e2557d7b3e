# SPDX-License-Identifier: BSD-2-Clause
# Completion of bash for viaduct, kamcmd, kamctl and kamdbctl. Commands come from the tools themselves,
# those of kamcmd from the running server.

# The words in front of the cursor that are no options, without the program's name.
_viaduct_words() {
	local i
	words=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--rc | --set | -s | -f | -R | -D) i=$((i + 1)) ;;
		-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
}

_kamctl() {
	local words current=${COMP_WORDS[COMP_CWORD]}
	_viaduct_words
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--help --version --json --rc --set --settings' -- "$current")
	else
		mapfile -t COMPREPLY < <(compgen -W "$("$1" --complete "${words[@]}" 2>/dev/null | cut -f1)" -- "$current")
	fi
}

_kamcmd() {
	local words current=${COMP_WORDS[COMP_CWORD]}
	_viaduct_words
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '-s -R -D -f -v -V -h --help --version' -- "$current")
	elif ((${#words[@]} == 0)); then
		mapfile -t COMPREPLY < <(compgen -W "$("$1" system.listMethods 2>/dev/null)" -- "$current")
	fi
}

_viaduct() {
	local current=${COMP_WORDS[COMP_CWORD]}
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$("$1" --help 2>/dev/null | grep -oE '(^| |;  )--?[A-Za-z][-a-z]*=?' | tr -d ' ;' | sort -u)" -- "$current")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
	fi
}

complete -F _kamctl kamctl kamdbctl
complete -F _kamcmd kamcmd
complete -o filenames -F _viaduct viaduct
