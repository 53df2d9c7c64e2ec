#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=2400 debs=ipvsadm source=6.12,7.3 pkgs=clang,bpftool,netcat-openbsd,python3-yaml,socat
#
# The kernel's own selftests that use ipip, unmodified, with the kernel's ipip and
# with ours.  scripts/selftests puts the results into docs/compatibility.md.
#
# They are of the source of the kernel that runs, but 6.1 gets those of 6.12, which are
# the same ones and more.  In newer sources those of bpf/ are parts of one program, whose
# hundreds of others have to be built too: they are left out there.
#
# (they make their own topology)

. "$(dirname "$0")/lib.sh"
ktap_begin

series=$(uname -r | cut -d. -f1-2)
[ "$series" != 6.1 ] || series=6.12
selftests=$TUNL_CACHE/source/$series/tools/testing/selftests

# "DIRECTORY|COMMAND": pmtu.sh has dozens of cases, of which these are about ipip;
# with_tunnels.sh makes tunnels, and a test of something else in between, which
# here is to show one; test_tc_tunnel.sh and test_tunnel.sh want their programs;
# link_netns.py makes devices of many kinds with link-netns, of which Debian 12's
# iproute2 cannot make ipvlan: it needs a newer one.
commands=(
	'net|pmtu.sh pmtu_ipv4_ipv4_exception pmtu_ipv4_fou4_exception pmtu_ipv4_gue4_exception'
	'net/netfilter|conntrack_ipip_mtu.sh'
	'net/netfilter|ipvs.sh'
	'net/netfilter|nft_flowtable.sh'
	'net|link_netns.py -t test_link_net'
	'bpf|with_tunnels.sh ip tunnel show'
	'bpf|test_tc_tunnel.sh ipv4 ipip none 100'
	'bpf|test_tc_tunnel.sh ipv4 udp none 100'
	'bpf|test_tc_tunnel.sh ipv4 udp none 2000'
	'bpf|test_tc_tunnel.sh ipv4 udp mpls 100'
	'bpf|test_tc_tunnel.sh ipv4 udp mpls 2000'
	'bpf|test_tunnel.sh'
)

# A selftest of this source, if it is about ipip.
is_there() { grep -qsw ipip "$selftests/$1"; } # FILE

# The programs of those of bpf/, for this kernel, with the headers of their source. Of
# those that do not build for it the test fails with both.
build_programs() {
	local source=${selftests%/tools/*} name flags

	is_there bpf/test_tunnel.sh || return 0
	mkdir -p "$tmp/include/bpf" &&
		cp "$source"/tools/lib/bpf/bpf_*.h "$tmp/include/bpf/" &&
		/usr/bin/python3 "$source/scripts/bpf_doc.py" --header \
			--file "$source/tools/include/uapi/linux/bpf.h" >"$tmp/include/bpf/bpf_helper_defs.h" &&
		bpftool btf dump file /sys/kernel/btf/vmlinux format c >"$tmp/include/vmlinux.h" || return
	flags=(-g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -I "$tmp/include" -I "$selftests/bpf"
		-I "$source/tools/include/uapi" -I /usr/include/x86_64-linux-gnu)
	for name in test_tc_tunnel test_tunnel_kern; do
		clang "${flags[@]}" -c "$selftests/bpf/progs/$name.c" -o "$selftests/bpf/$name.bpf.o" ||
			note "$name does not build for this kernel"
	done
}

# A line for each case of a test that has several, else one: "WHAT<tab>RESULT".
verdicts() { # COMMAND STATUS OUTPUT
	if grep -q 'PASS: ipip\|FAIL: ipip' "$3"; then
		# of all kinds of tunnels, and these are other modules'
		sed -nE "s/.*(PASS|FAIL): ipip\\b.*/${1%% *}, ipip\t\1/p" "$3" | sed 's/PASS/OK/'
		return
	fi
	if grep -q '^TEST: ' "$3"; then
		sed -nE "s/^TEST: (.*[^ ]) +\[ *([A-Z]+) *\].*/${1%% *}, \1\t\2/p" "$3"
		return
	fi
	case $2 in
	0) printf '%s\tOK\n' "$1" ;;
	4) printf '%s\tSKIP\n' "$1" ;;
	*) printf '%s\tFAIL\n' "$1" ;;
	esac
}

run_all() { # WHOSE
	local entry command rc by

	: >"$tmp/$1"
	for entry in "${commands[@]}"; do
		command=${entry#*|}
		is_there "${entry%|*}/${command%% *}" || continue
		rc=0 by=bash
		[[ ${command%% *} != *.py ]] || by=/usr/bin/python3
		# shellcheck disable=SC2086 # a name, and words after it
		(cd "$selftests/${entry%|*}" && timeout 600 $by ./$command) \
			>"$tmp/out" 2>&1 </dev/null || rc=$?
		verdicts "$command" "$rc" "$tmp/out" >>"$tmp/$1"
		note "$1: $command: status $rc"
		[ "$rc" = 0 ] || tail -n 30 "$tmp/out" | diag
	done
}

must unpack_deb ipvsadm
must test -e "$selftests/net/pmtu.sh"

must build_programs
mountpoint -q /sys/fs/bpf || must mount -t bpf bpf /sys/fs/bpf
must modprobe ipip
run_all kernel
check "with the kernel's ipip something passes" grep -qP '\tOK$' "$tmp/kernel"
check_not "it was the kernel's" test -e /proc/net/ipip
must rmmod ipip

# modprobe finds them there, and leaves it at that.
must load ipip
must load tunnel tunl0=1
run_all ours
check "those were ours" test -e /proc/net/ipip

join -t $'\t' -a 1 -a 2 -e none -o 0,1.2,2.2 <(sort "$tmp/kernel") <(sort "$tmp/ours") >"$tmp/both"
while IFS=$'\t' read -r what kernel ours; do
	if [ "$kernel" = OK ]; then
		check_eq "$what" "$ours" OK
	else
		note "$what: $kernel with the kernel's, $ours with ours"
	fi
done <"$tmp/both"
cp "$tmp/both" "$SHARE/selftests.$(uname -r)"

ktap_end
