# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# For tests/guest: what the kernel still holds after a test.  Network namespaces
# and cached routes are counted as objects of the slab allocator, references to
# modules as in /proc/modules; docs/testing.md says why these.

# What each cache is called in /proc/slabinfo: in 6.1, and in 6.12 where that differs.
# shellcheck disable=SC2154 # $work is that of tests/guest
slabs=("net_namespace" "ip_dst_cache rtable" "xfrm_dst_cache xfrm_dst" "ip_fib_alias"
	"ip_fib_trie" "sock_inode_cache" "skbuff_head_cache")
declare -A slab_name=() count=() before=()
declare -A had=() now=() # references to modules: before the test, and now
permanent=0
spare_netns=0 # how many dead namespaces wait for the next one to be freed with it
# seconds, for what usually takes none; not so many that the guest's time is up first
patience=$((60 * (${TUNL_PATIENCE:-1} < 5 ? ${TUNL_PATIENCE:-1} : 5)))

exec {never}<> <(:)
# A sleep without a process. True: a loop's status is that of its last command.
nap() { read -rt 0.05 -u "$never" || :; }

# Run a command, and wait no longer than that: a process that hangs in the kernel
# cannot be killed, and stays in the background.
within() { # SECONDS COMMAND...
	local end=$((SECONDS + $1)) pid
	shift
	"$@" &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		[ "$SECONDS" -lt "$end" ] || return 124
		nap
	done
	wait "$pid"
}

# Objects in use, into count.  Each processor keeps free objects at hand, which
# slabinfo counts as used: shrinking the cache gives them back first.
count_slabs() {
	local names name used

	for name in "${slab_name[@]}"; do
		echo 1 >"/sys/kernel/slab/$name/shrink"
	done
	while read -r name used _; do
		for names in "${!slab_name[@]}"; do
			[ "${slab_name[$names]}" != "$name" ] || count[$names]=$used
		done
	done </proc/slabinfo
}

find_slabs() {
	local names name

	for names in "${slabs[@]}"; do
		for name in $names; do
			! grep -q "^$name " /proc/slabinfo || slab_name[$names]=$name
		done
		[ -n "${slab_name[$names]:-}" ] || {
			echo "/proc/slabinfo has no cache $names"
			return 1
		}
	done
}

# The runner can count: a namespace that a process holds is seen, and how many dead
# ones are kept is known.  Some kernels free the memory of a namespace when it is gone,
# others together with the next one.
remains_begin() {
	local hold i

	find_slabs || return
	mkfifo "$work/hold"
	exec {hold}<>"$work/hold"
	# With a limit of one, the second is made when the first one is gone.
	# shellcheck disable=SC2016 # for the other shell
	unshare -U -r bash -c 'echo 1 >/proc/sys/user/max_net_namespaces && unshare -n true &&
		until unshare -n bash -c ": >$1/held; exec cat $1/hold" "" "$1" 2>/dev/null; do sleep 0.05; done' \
		"" "$work" {hold}>&- &
	for ((i = 0; i < patience * 20; i++)); do
		[ ! -e "$work/held" ] || break
		nap
	done
	nap
	count_slabs
	exec {hold}>&-
	spare_netns=$((count[net_namespace] - 1))
	[ "$spare_netns" = 0 ] || [ "$spare_netns" = 1 ] || {
		echo "one network namespace is held, ${count[net_namespace]} are counted"
		return 1
	}
	wait $!
	drop_lo_routes
	netns_freed
}

# Routes that the kernel caches for the addresses of lo go with the addresses.
drop_lo_routes() {
	printf '%s\n' "link set lo down" "link set lo up" | ip -batch -
}

# A new network namespace can be made, and no more of them remain than are spare.
netns_freed() {
	local end=$((SECONDS + patience)) i

	while :; do
		within "$patience" unshare -n true || {
			echo "making a network namespace: exit status $?"
			waiting_for
			return 1
		}
		# again then: the cleanup of the next one frees what this one left
		for ((i = 0; i < 20; i++)); do
			count_slabs
			[ "${count[net_namespace]}" -gt "$spare_netns" ] || return 0
			nap
		done
		[ "$SECONDS" -lt "$end" ] || break
	done
	echo "$((count[net_namespace] - spare_netns)) network namespaces remain"
	waiting_for
	return 1
}

waiting_for() { since | grep 'unregister_netdevice: waiting' | tail -n 1; }

processors=(/sys/devices/system/cpu/cpu[0-9]*)

# The kernel keeps heads of packets by itself, up to 64 for each processor, and some
# sockets for a module that cannot be unloaded (6 for ipv6). Into kept.
kept_of() { # NAMES
	case $1 in
	skbuff_head_cache) kept=$((64 * ${#processors[@]})) ;;
	sock_inode_cache) kept=$((8 * (permanent - permanent_before))) ;;
	*) kept=0 ;;
	esac
}

slabs_before() {
	local names

	permanent_before=$permanent
	count_slabs
	for names in "${slabs[@]}"; do
		before[$names]=${count[$names]}
	done
}

# poll-able: which caches have more objects than before the test
slabs_same() {
	local names kept rc=0

	count_slabs
	for names in "${slabs[@]}"; do
		kept_of "$names"
		[ $((count[$names] - before[$names])) -gt "$kept" ] || continue
		echo "${slab_name[$names]}: ${before[$names]} objects before, ${count[$names]} now"
		rc=1
	done
	return "$rc"
}

# poll-able: as slabs_same.  A packet from the other guest may have left a route after
# they were dropped, and a namespace is freed together with the next one: what is held
# by nothing else is gone when it is counted again.
memory_same() {
	local i

	! slabs_same || return 0
	drop_lo_routes
	within "$patience" unshare -n true
	# The addresses of lo that went just now are freed after a grace period, which
	# is long where the processor is slow.
	for ((i = 0; i < 40; i++)); do
		! slabs_same >/dev/null || return 0
		nap
	done
	return 1
}

# Modules, with the references that no other module explains, into the array of that
# name, but not those that can never be unloaded; how many of these into permanent.
# Without a process: each test comes here several times.
references() { # ARRAY
	local name uses users
	local -n into=$1

	into=() permanent=0
	while read -r name _ uses users _; do
		case $users in
		*'[permanent]'*)
			permanent=$((permanent + 1))
			continue
			;;
		esac
		users=${users//[^,]/}
		# shellcheck disable=SC2034,SC2004 # another's array, and a name as its key
		into[$name]=$((uses - ${#users}))
	done </proc/modules
}

# Modules that the test loaded would change what the next one finds.  As long as one
# goes: users go before what they use.
unload_others() {
	local module gone=1

	while [ -n "$gone" ]; do
		gone=
		references now
		for module in "${!now[@]}"; do
			[ -n "${had[$module]+loaded}" ] || ! rmmod "$module" 2>/dev/null || gone=1
		done
	done
}

# poll-able: which modules have more references than before the test
references_same() {
	local module rc=0

	references now
	for module in "${!now[@]}"; do
		[ "${now[$module]}" -gt "${had[$module]:-0}" ] || continue
		# The kernel keeps its random number generator once IPsec has asked for one.
		case $module in
		drbg | jitterentropy_rng | sha512_* | sha3_generic) continue ;;
		esac
		echo "$module: ${had[$module]:-0} references before, ${now[$module]} now"
		rc=1
	done
	[ "$rc" = 0 ] || unload_others
	return "$rc"
}
