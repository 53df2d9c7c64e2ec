#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=400
#
# The same requests to the kernel's ipip and to ours: see differential.py, which
# also has what differs, and why.
#
#       10.0.1.1,9  10.0.1.2
#   a ── eth0 ═══════ eth0 ── b
#   └─── eth1 ═══════ eth1 ───┘
#       10.0.2.1    10.0.2.2

. "$(dirname "$0")/lib.sh"
ktap_begin

network() {
	netns_add a b
	veth a eth0 b eth0
	veth a eth1 b eth1
	for key in all default eth0 eth1; do
		sysctl_set a "net.ipv4.conf.$key.rp_filter" 0
		sysctl_set a "net.ipv4.conf.$key.accept_local" 1
	done
	sysctl_set b net.ipv4.conf.all.rp_filter 0
	ip -n a -batch - <<-END
		addr add 10.0.1.1/24 dev eth0
		addr add 10.0.1.9/24 dev eth0
		addr add 10.0.2.1/24 dev eth1
		rule add fwmark 7 table 77
		route add 10.77.0.1 via 10.0.2.2 table 77
		route add 10.77.0.1 via 10.0.1.2
		route add 10.78.0.1 via 10.0.1.2
		route add 10.78.0.1 tos 0x10 via 10.0.2.2
	END
	ns a ip fou add port 5397 ipproto 4 # what reads the same from either end
	ns a ip fou add port 5654 gue
	ip -n b -batch - <<-END
		addr add 10.0.1.2/24 dev eth0
		addr add 10.0.2.2/24 dev eth1
	END
	# The far end only watches.
	ns b nft -f - <<-END
		table ip quiet {
			chain in {
				type filter hook prerouting priority raw
				ip protocol { 4, 137, 253 } drop
				udp dport { 7, 9, 5397, 5654 } drop
			}
			chain out {
				type filter hook output priority raw
				ip protocol icmp drop
			}
		}
	END
	ns a nft -f - <<-END
		table ip quiet {
			chain out {
				type filter hook output priority raw
				ip protocol icmp drop
			}
		}
	END
}

answers() { # WHOSE
	network
	/usr/bin/python3 -IS "$TUNL_TOP/tests/differential.py" a b >"$tmp/$1" 2>"$tmp/$1.err" ||
		{ cat "$tmp/$1.err"; return 1; }
	ip netns del a
	ip netns del b
	[ "$(wc -l <"$tmp/$1")" -gt 1000 ]
}

for module in fou mpls_router mpls_iptunnel; do must modprobe $module; done
must modprobe ipip
check "the kernel's ipip answers" answers kernel
must rmmod ipip

must load ipip
must load tunnel tunl0=1
check "ours answers" answers ours
check "and differs in what is listed only" \
	/usr/bin/python3 -IS "$TUNL_TOP/tests/differential.py" compare "$tmp/kernel" "$tmp/ours"
note "$(/usr/bin/python3 -IS "$TUNL_TOP/tests/differential.py" compare "$tmp/kernel" "$tmp/ours" | tail -n 1)"
[ -z "${TUNL_OUT:-}" ] || cp "$tmp/kernel" "$tmp/ours" "$TUNL_OUT/"

ktap_end
