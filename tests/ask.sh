# shellcheck shell=bash disable=SC2034,SC2154 # names for those who source it, and lib.sh's
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of scripts/tunl-doctor ask it, in the network of 1994; to be sourced
# after lib.sh.
#
#      A                     R                          B
#    eth0 ---------- to_a        lan ----------+------ eth0
#  111.112.101.37    101.1      100.1          |   111.112.100.86
#    tunl                                      |      tunl
#  111.112.100.87                              |   111.112.100.86
#  (the ghost)                               eth0
#                                       111.112.100.50
#                                              C
. "$(dirname "$0")/1994.sh"
. "$(dirname "$0")/tunnels.sh"

DOCTOR=$TUNL_TOP/scripts/tunl-doctor
A=111.112.101.37 B=111.112.100.86 C=111.112.100.50

# Its keys, of which each begins a line; what it printed stays in $tmp/said, and what it
# says to type in commands.  Into keys.
commands=()
ask() { # NS [ARGUMENT...]
	local rc=0 line

	ns "$1" "$DOCTOR" "${@:2}" >"$tmp/said" 2>&1 || rc=$?
	keys='' commands=()
	while IFS= read -r line; do
		case $line in
		$'\t'*) commands+=("${line#?}") ;;
		note:* | 'not looked at:'*) ;;
		*)
			[[ ! $line =~ ^([a-z0-9_]+):\  ]] || keys+=${keys:+ }${BASH_REMATCH[1]}
			;;
		esac
	done <"$tmp/said"
	case $rc:${keys:+some} in
	0: | 1:some) ;;
	*) keys+=" (status $rc)" ;;
	esac
}

# Its keys are those.
said() { # TEXT KEYS NS [ARGUMENT...]
	ask "${@:3}"
	check_eq "$1" "$keys" "$2" || diag <"$tmp/said"
}

# Its commands, with words in capitals filled in.
mend() { # NS [WORD=VALUE...]
	local all word

	all=$(printf '%s || exit\n' "${commands[@]}")
	for word in "${@:2}"; do all=${all//${word%%=*}/${word#*=}}; done
	echo "$all"
	ns "$1" bash -c "cd '$tmp' || exit; $all" </dev/null
}

healthy() { said "$1: nothing is wrong" "" "${@:2}"; } # TEXT NS [ARGUMENT...]

# One fault, mended.
faulty() { # TEXT NS KEYS [WORD=VALUE...]
	said "$1: found, and nothing else" "$3" "$2"
	check "$1: the commands run" mend "$2" "${@:4}"
	said "$1: mended" "" "$2"
}

reaches() { check "$1: packets pass" c_reaches_ghost C; }

# The network, without tunnels.
network() {
	netns_add A R B C && veth A eth0 R to_a && veth R to_b B eth0 && veth R to_c C eth0 &&
		bridge_add R lan to_b to_c && net_1994_a A && net_1994_b B && net_1994_c C && net_1994_r R to_a lan
}

# A with its tunnel as it was.
back() {
	ip -n A link del tunl 2>/dev/null
	ip -n A route del "$B" 2>/dev/null
	ip -n A link add tunl type tunl && commands_ip_a A
}

