# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Packages of any Debian suite, downloaded and not installed.  Each suite has an apt
# of its own below $TUNL_CACHE/apt, with its own sources, lists and cache: the host's
# settings, lists and packages stay as they are.  The mirror, the proxy and the
# archive's keys are the host's; signatures are always checked.
# SUITE may be SUITE:ARCH, the suite's packages for another processor than the host's.
# To be sourced after lib.sh.

ARCHIVE_KEYS=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirrors of the host's own sources, in whichever form these are written.
archive_mirrors() { # LABEL
	apt-get indextargets --format "\$(ORIGIN)|\$(LABEL)|\$(REPO_URI)" 'Created-By: Packages' |
		sed -n "s/^Debian|$1|//p" | grep -v '^cdrom:' || true
}

archive_dir() { printf '%s/apt/%s\n' "$TUNL_CACHE" "${1/:/-}"; } # SUITE

archive_arch() { # SUITE: which processor its packages are for
	case $1 in
	*:*) echo "${1#*:}" ;;
	*) dpkg --print-architecture ;;
	esac
}

archive_find() { # SUITE: into mirrors
	local label=Debian

	[[ ${1%:*} != *-security ]] || label=Debian-Security
	mapfile -t mirrors < <(archive_mirrors "$label")
	if [ ${#mirrors[@]} -eq 0 ] && [ "$label" = Debian-Security ]; then
		# a host without security updates: beside its mirror
		mapfile -t mirrors < <(archive_mirrors Debian | sed -n 's|/debian/$|/debian-security/|p')
	fi
	[ ${#mirrors[@]} -gt 0 ]
}

# Apt reads the host's settings before these.
archive_setup() { # SUITE
	local dir arch mirrors

	dir=$(archive_dir "$1")
	arch=$(archive_arch "$1")
	if ! archive_find "$1"; then
		# who has no lists has no mirror either
		apt_update force
		archive_find "$1" || die "the sources of this host's apt name no Debian mirror for $1: add one (see sources.list(5)), then apt-get update"
	fi
	need debian-archive-keyring
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	printf 'deb [arch=%s signed-by=%s target=Packages] %s %s main\n' \
		"$arch" "$ARCHIVE_KEYS" "${mirrors[0]}" "${1%:*}" >"$dir/sources.list"
	cat >"$dir/apt.conf" <<-END
		APT::Architecture "$arch";
		#clear APT::Architectures;
		APT::Architectures "$arch";
		Dir::Etc::SourceList "$dir/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
		Dir::State "$dir";
		Dir::State::Lists "$dir/lists";
		Dir::State::Status "/dev/null";
		Dir::Cache "$dir/cache";
		Dir::Cache::PkgCache "pkgcache.bin";
		Dir::Cache::SrcPkgCache "";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		APT::Get::AllowUnauthenticated "false";
		Acquire::AllowInsecureRepositories "false";
		Acquire::AllowWeakRepositories "false";
		Acquire::AllowDowngradeToInsecureRepositories "false";
		Acquire::Retries "3";
		Acquire::GzipIndexes "true";
		// its own user cannot write in the cache
		APT::Sandbox::User "root";
	END
}

archive_apt() { # get|cache SUITE ARG...
	local tool=$1 suite=$2
	shift 2
	"apt-$tool" -qq -c "$(archive_dir "$suite")/apt.conf" "$@"
}

# As often as those of the host: see apt_update.
archive_update() { # SUITE [force]
	locked archive archive_update_locked "$1" "${2:-}"
}

archive_update_locked() {
	local stamp

	stamp=$(archive_dir "$1")/updated
	if [ "$2" != force ] && [ -n "$(find "$stamp" -mmin -1440 2>/dev/null)" ]; then
		return 0
	fi
	archive_setup "$1"
	say "fetching the package lists of $1"
	if archive_apt get "$1" -o APT::Update::Error-Mode=any update >&2; then
		touch "$stamp"
	elif [ -e "$stamp" ]; then
		warn "could not fetch the package lists of $1; going on with those there are"
	else
		die "could not fetch the package lists of $1, which has this kernel, by $(archive_dir "$1")/sources.list: is the mirror reached, and does it have $1? If not, name one that has in this host's apt sources; scripts/kernel list shows the kernels of other suites"
	fi
}

# The kernels of a series that have headers, as uname -r says it, the newest first;
# nothing if there is none.  After the series come a number and, in parts that begin with a digit or
# a +, what Debian adds; a flavour begins with a letter.
archive_releases() { # SUITE SERIES FLAVOUR|-
	local flavour=$3-

	[ "$3" != - ] || flavour=
	comm -12 <(archive_apt cache "$1" pkgnames "linux-image-$2." | sed 's/^linux-image-//' | sort) \
		<(archive_apt cache "$1" pkgnames "linux-headers-$2." | sed 's/^linux-headers-//' | sort) |
		grep -E "^${2//./\\.}\.[0-9]+([+][a-z0-9.]+)?(-[0-9][a-z0-9.]*)?-$flavour$(archive_arch "$1")$" |
		sort -rV
}

archive_depends() { # SUITE PACKAGE REGEX: those of its dependencies that match
	archive_apt cache "$1" depends --no-recommends --no-suggests "$2" 2>/dev/null |
		sed -n 's/^ *|\?Depends: //p' | grep -E "$3" || true
}

# Into the current directory.  Lists a day old name files that have gone since.
archive_download() { # SUITE PACKAGE...
	local suite=$1
	shift

	archive_apt get "$suite" download "$@" >&2
}
