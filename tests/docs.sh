#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=300
#
# What the pages tell the reader to type, typed. A fenced block of README.md and
# docs/*.md is run if its fence says so, a literal display of man/* if a comment
# `.\" sh` with the same words comes before:
#
#	```sh                     in a new network as below; each command must succeed
#	```sh then                in that of the block before
#	```sh … reach=ADDRESS     and then the host reaches ADDRESS
#
#   host ── eth0 192.0.2.1 ═════ 192.0.2.254, 198.51.100.1, .7 eth0 ── peer
#                                  tunnels to the host: plain, in UDP to port 5555
#                                  203.0.113.1, .9 behind them; routes 192.0.2.7 back
#   10.1.0.1 is the host's, too, and 10.2.0.1 the peer's, which routes 10.1.0.0/24 back

. "$(dirname "$0")/lib.sh"
ktap_begin

# A file for each block, PAGE:LINE; the fence's words are in its first line.
mapfile -t pages < <(cd "$TUNL_TOP" && ls README.md docs/*.md)
mkdir "$tmp/blocks"
for page in "${pages[@]}"; do
	awk -v to="$tmp/blocks/${page##*/}" '
		/^```/ && !inside { inside = 1; run = $1 == "```sh"; file = to ":" FNR; sub(/^```sh */, "") }
		/^```$/ && inside == 2 { inside = 0; if (run) close(file) }
		inside && run { print (inside == 1 ? "# " : "") $0 >file }
		inside { inside = 2 }' "$TUNL_TOP/$page"
done
mapfile -t manuals < <(cd "$TUNL_TOP" && ls man/*)
for page in "${manuals[@]}"; do
	awk -v to="$tmp/blocks/${page##*/}" '
		/^\.\\" sh( |$)/ { file = to ":" FNR; print "# " substr($0, 8) >file; next }
		/^\.Ed/ { if (file) close(file); file = ""; inside = 0 }
		inside { gsub(/\\e/, "\\"); gsub(/\\[&]/, ""); print >file }
		/^\.Bd -literal/ && file { inside = 1 }' "$TUNL_TOP/$page"
	[[ $page != *.4 ]] || check "$page has an example that is run" compgen -G "$tmp/blocks/${page##*/}:*"
done
mapfile -t blocks < <(cd "$tmp/blocks" && printf '%s\n' * | sort -t: -k1,1 -k2,2n)

network() {
	local side

	# what the blocks before have left
	for side in host peer; do
		! ip netns list | grep -qw "^$side" || ip netns del "$side" || return
	done
	netns_add host peer && veth host eth0 peer eth0 &&
		ip -n host addr add 192.0.2.1/24 dev eth0 &&
		ip -n host addr add 10.1.0.1/32 dev lo &&
		ip -n host route add default via 192.0.2.254 &&
		ip -n peer -batch - <<-END || return
			addr add 192.0.2.254/24 dev eth0
			addr add 198.51.100.1/32 dev eth0
			addr add 198.51.100.7/32 dev eth0
			addr add 203.0.113.1/32 dev lo
			addr add 203.0.113.9/32 dev lo
			addr add 10.2.0.1/32 dev lo
			link add one type ipip remote 192.0.2.1 local 198.51.100.1
			link add seven type ipip remote 192.0.2.1 local 198.51.100.7
			link set one up
			link set seven up
			route add 192.0.2.7 dev one
			route add 10.1.0.0/24 dev one
		END
	ip netns exec peer ip fou add port 5555 ipproto 4 &&
		sysctl_set peer net.ipv4.ip_forward 1 &&
		sysctl_set peer net.ipv4.conf.all.rp_filter 0
}

run_block() { # FILE
	(cd "$TUNL_TOP" && ip netns exec host bash -e -o pipefail "$tmp/blocks/$1")
}

must load ipip
must load tunnel tunl0=1
must sysctl -qw net.core.fb_tunnels_only_for_init_net=0
must modprobe fou
# as make install would install it
must make -s -C "$TUNL_TOP" tools
export IP_LIB_DIR=$TUNL_TOP/build
check "pages have blocks to run" test ${#blocks[@]} -ge 8
for block in "${blocks[@]}"; do
	read -r _ words <"$tmp/blocks/$block"
	case " $words " in
	*' then '*) ;;
	*) must network ;;
	esac
	check "$block: runs" run_block "$block"
	address=$(sed -n 's/.*reach=\([0-9.]*\).*/\1/p' <<<"$words")
	[ -z "$address" ] ||
		check "$block: and reaches $address" poll 20 ns host ping -q -n -c 1 -W 2 "$address"
done

# An example where the reader's eye falls first.
for page in "${pages[@]}"; do
	check "$page has an example on its first screen" \
		grep -q '^```' <(head -n 40 "$TUNL_TOP/$page")
done

ktap_end
