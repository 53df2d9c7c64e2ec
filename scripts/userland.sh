# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What a guest with another processor runs on: programs of this host's Debian for that
# processor, unpacked into a folder of the cache; nothing of it is run here.
# To be sourced after lib.sh and archive.sh.

# Of PKGS_TEST, what the core tests call; of the rest, what this machine has anyway.
PKGS_USERLAND=(base-files base-passwd bash bsdutils busybox-static conntrack coreutils dash
	debianutils diffutils ethtool findutils gawk gcc grep gzip hostname iperf3 iproute2
	iptables iputils-arping iputils-ping iputils-tracepath kmod libc6-dev login mawk mount
	ncurses-bin net-tools netbase nftables perl-base procps python3 python3-pyroute2
	python3-scapy sed socat tar tcpdump traceroute util-linux)

# What maintainers' scripts would do, as far as tests need it.
userland_configure() { # ROOT
	local program from

	cp "$1/usr/share/base-passwd/passwd.master" "$1/etc/passwd"
	cp "$1/usr/share/base-passwd/group.master" "$1/etc/group"
	# whom tcpdump runs as
	echo 'tcpdump:x:100:65534::/nonexistent:/usr/sbin/nologin' >>"$1/etc/passwd"
	echo '127.0.0.1 localhost' >"$1/etc/hosts"
	while read -r program from; do
		[ -e "$1/$program" ] || ln -s "$from" "$1/$program"
	done <<-'END'
		usr/bin/awk mawk
		usr/bin/traceroute traceroute.db
		usr/sbin/iptables iptables-nft
		usr/sbin/ip6tables ip6tables-nft
	END
	# Emulated, Python would take a minute to compile what a test imports. If this
	# machine has another version, it does.
	python3 -m compileall -q -s "$1" -p / "$1/usr/lib/python3/dist-packages" \
		"$1/usr/lib/$(python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')" || true
}

# Apt downloads what an empty system would need for these packages.
userland_unpack() { # SUITE:ARCH ROOT
	local deb dir

	mkdir -p debs/partial
	archive_apt get "$1" -y --no-install-recommends --download-only \
		-o "Dir::Cache::Archives=$PWD/debs" install "${PKGS_USERLAND[@]}" >&2 ||
		return
	for dir in bin lib sbin; do
		mkdir -p "$2/usr/$dir"
		ln -s "usr/$dir" "$2/$dir"
	done
	for deb in debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$2" --keep-directory-symlink \
			--exclude=./usr/share/{doc,locale,man} || return
	done
	rm -r debs
}

userland_locked() { # SUITE:ARCH DEST
	local tmp

	[ ! -e "$2" ] || return 0
	need python3
	archive_update "$1"
	mkdir -p "${2%/*}"
	tmp=$(mktemp -d "${2%/*}/.tmp.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$tmp'" EXIT
	say "downloading and unpacking programs for ${1#*:}, a minute or two"
	(
		cd "$tmp" || exit
		userland_unpack "$1" root || {
			archive_update "$1" force
			rm -rf root debs
			userland_unpack "$1" root
		} || die "could not download from $1 what guests with that processor run; try again later"
		userland_configure root
	)
	chmod 755 "$tmp/root"
	mv "$tmp/root" "$2"
	rm -rf "$tmp"
	trap - EXIT
}

# Into the path that is printed; another one when what is to be in it changes.
userland() { # PROCESSOR
	local suite recipe dest

	suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release):$1
	recipe=$({
		echo "$suite" "${PKGS_USERLAND[@]}"
		declare -f userland_configure userland_unpack
	} | sha256sum)
	dest=$TUNL_CACHE/userland/$1-${recipe:0:12}
	[ -e "$dest" ] || locked userland userland_locked "$suite" "$dest" >&2
	printf '%s\n' "$dest"
}
