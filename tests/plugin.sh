#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=300
#
# scripts/link_tunl.c, by which `ip link` knows the settings of kind tunl: each of them set
# and shown, one changed and the others kept, wrong words, answers of no sense, an ip of
# another version. And what bash completes for the programs.
#
#       10.0.1.1
#   a ── eth0 ─

. "$(dirname "$0")/lib.sh"
ktap_begin

export IP_LIB_DIR=$tmp/lib
helper() { /usr/bin/python3 -IS "$tmp/helper.py" "$@"; }
nl() { ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" "$@"; }
link() { ip -n a link "$@"; }
no_device() { ! link show dev "$1"; }
json() { ip -n a -d -j link show dev "$1"; }
# From "ip -d link", as far as they are settings.
words() { ip -n a -d link show dev "$1" | sed -n 's/^ *tunl \(.*\) addrgenmode .*/\1/p'; }
# All that the kernel has of it.
kernels() { nl show "$1" | sed 's/link=[0-9]* //'; }

cat >"$tmp/helper.py" <<'END'
import json, random, struct, sys

def settings(file):
    data = json.load(open(file))[0]["linkinfo"]["info_data"]
    encap = data.pop("encap", {})
    return {**data, **{"encap." + key: value for key, value in encap.items()}}

def changed(before, after):
    """What has another value, or is new, or (with a -) gone."""
    before, after = settings(before), settings(after)
    return ([f"{k}={v}" for k, v in after.items() if before.get(k) != v] +
            [f"-{k}" for k in before if k not in after])

def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)

FULL = {1: b"\1\0\0\0", 2: b"\n\0\1\1", 3: b"\n\0\1\2", 4: b"\7", 5: b"\x10", 9: b"\4", 10: b"\1",
        20: b"\7\0\0\0", 15: b"\1\0", 16: b"\1\0", 17: b"\4W", 18: b"\x15\xb3"}

def joined(attributes):
    return b"".join(attribute(kind, data) for kind, data in attributes.items())

def link(data):
    """What the kernel says of a device of kind tunl, for "ip monitor file"."""
    info = attribute(1, b"tunl\0") + (attribute(2, data) if data is not None else b"")
    body = (struct.pack("=BxHiII", 0, 768, 5, 0, 0) + attribute(3, b"office\0") +
            attribute(4, struct.pack("=I", 1480)) + attribute(18, info))
    return struct.pack("=IHHII", 16 + len(body), 16, 0, 0, 0) + body

def odd(seed, number):
    """Attributes that are missing, empty, short; then some at random."""
    yield joined(FULL)
    yield None
    yield b""
    for kind in FULL:
        yield joined({k: v for k, v in FULL.items() if k != kind})
        yield joined({k: v[:0] if k == kind else v for k, v in FULL.items()})
        yield joined({k: v[:1] if k == kind else v for k, v in FULL.items()})
    rnd = random.Random(seed)
    for _ in range(number):
        data = bytearray(joined(FULL))
        for _ in range(rnd.randint(1, 4)):
            data[rnd.randrange(len(data))] = rnd.randrange(256)
        yield bytes(data[:rnd.randint(0, len(data))])

def write_odd(file, seed, number):
    with open(file, "wb") as out:
        for data in odd(int(seed), int(number)):
            out.write(link(data))
    return []

def patched(source, target, old, new):
    """Another version in a copy of ip."""
    with open(source, "rb") as f:
        data = f.read()
    old, new = (b"\0" + text.encode() + b"\0" for text in (old, new))
    assert data.count(old) == 1 and len(old) == len(new)
    with open(target, "wb") as f:
        f.write(data.replace(old, new))
    return []

def resized(source, target, symbol):
    """A copy of ip that has one more pointer in that symbol."""
    with open(source, "rb") as f:
        data = bytearray(f.read())
    offset, = struct.unpack_from("=Q", data, 40)
    size, count = struct.unpack_from("=HH", data, 58)
    sections = [struct.unpack_from("=IIQQQQIIQQ", data, offset + size * i) for i in range(count)]
    dynsym = next(section for section in sections if section[1] == 11)
    names = sections[dynsym[6]][4]
    for at in range(dynsym[4], dynsym[4] + dynsym[5], dynsym[9]):
        name = names + struct.unpack_from("=I", data, at)[0]
        if data[name:data.index(0, name)] == symbol.encode():
            was, = struct.unpack_from("=Q", data, at + 16)
            struct.pack_into("=Q", data, at + 16, was + 8)
    with open(target, "wb") as f:
        f.write(data)
    return []

print(*globals()[sys.argv[1]](*sys.argv[2:]))
END

version=$(ip -V | sed 's/.*iproute2-\([0-9.]*\).*/\1/')
quiet() { ! "$@" 2>&1 | grep .; }
check "make tools builds link_tunl.so without a warning" \
	quiet make -s -C "$TUNL_TOP" tools CFLAGS='-O2 -Werror'
mkdir "$IP_LIB_DIR"
must cp "$TUNL_TOP/build/link_tunl.so" "$IP_LIB_DIR"
must load tunnel
must modprobe fou
netns_add a
ip -n a link add eth0 type dummy
ip -n a addr add 10.0.1.1/24 dev eth0
ip -n a link set eth0 up

# --- all at once

link help tunl >"$tmp/help"
check "ip link help tunl prints the usage" grep -q '^Usage: ... tunl' "$tmp/help"
usage() { says '^Usage: ... tunl' ip -n a link add type tunl help; }
check "so does ip link add type tunl help" usage

check "a device is made without any word" link add plain type tunl
check_eq "and shows the defaults" "$(words plain)" "mode ipip remote any local any ttl 64 tos inherit pmtudisc"
link del plain
all=(remote 10.0.1.2 local 10.0.1.1 ttl 7 tos 0x10 nopmtudisc mode any dev eth0 fwmark 0x7
	encap gue encap-sport 1111 encap-dport 5555 encap-csum encap-remcsum)
check "a device is made with all words" link add office type tunl "${all[@]}"
check_eq "the kernel has all of them" "$(kernels office)" \
	"local=10.0.1.1 remote=10.0.1.2 ttl=7 tos=16 proto=0 pmtudisc=0 fwmark=7 encap=2 17=0457 18=15b3 encap-flags=5"
check_eq "ip -d link shows all of them" "$(words office)" \
	"mode any remote 10.0.1.2 local 10.0.1.1 dev eth0 ttl 7 tos 0x10 nopmtudisc fwmark 0x7 encap gue encap-sport 1111 encap-dport 5555 encap-csum noencap-csum6 encap-remcsum"
echo '[{"linkinfo":{"info_data":{}}}]' >"$tmp/none"
json office >"$tmp/now"
check_eq "ip -d -j link has all of them" "$(helper changed "$tmp/none" "$tmp/now")" \
	"proto=any remote=10.0.1.2 local=10.0.1.1 link=eth0 ttl=7 tos=0x10 pmtudisc=False fwmark=0x7 encap.type=gue encap.sport=1111 encap.dport=5555 encap.csum=True encap.csum6=False encap.remcsum=True"
keys_of() { json "$1" | grep -oE '"info_data":\{[^}]*\}' | grep -oE '"[a-z0-9]+":'; }
keys() { diff <(keys_of "$1") <(keys_of stock) && keys_of "$1" | grep remcsum; }
link add stock type ipip remote 10.0.1.3 dev eth0 tos 0x10 fwmark 7 encap gue encap-dport 5555
check "its keys are those of kind ipip" keys office
link del stock

# --- one after the other, and the others stay

while IFS='|' read -r set changes; do
	set=${set% } changes=${changes# }
	json office >"$tmp/before"
	# shellcheck disable=SC2086 # words
	link set office type tunl $set
	json office >"$tmp/now"
	check_eq "\"ip link set\" with \"$set\" changes that, and nothing else" \
		"$(helper changed "$tmp/before" "$tmp/now")" "$changes"
done <<-'END'
	noencap-csum | encap.csum=False
	encap-csum noencap-remcsum | encap.csum=True encap.remcsum=False
	encap-udp6-csum | encap.csum6=True
	noencap-csum6 | encap.csum6=False
	encap-sport auto | encap.sport=0
	encap-dport 6666 | encap.dport=6666
	encap fou | encap.type=fou
	noencap | -encap.type -encap.sport -encap.dport -encap.csum -encap.csum6 -encap.remcsum
	remote 10.0.1.77 | remote=10.0.1.77
	remote any | remote=any
	local any | local=any
	ttl inherit | ttl=0
	hoplimit 255 | ttl=255
	tos inherit | tos=0x1
	tclass 0 | tos=0x0
	pmtudisc | pmtudisc=True
	mode mplsip | proto=mplsip
	mode ipip | proto=ipip
	nodev | -link
	dev eth0 | link=eth0
	fwmark 0xffffffff | fwmark=0xffffffff
	fwmark 0 ttl 9 | ttl=9 -fwmark
END

# --- what is shown can be typed

round_trip() { # DEVICE
	local was shown

	was=$(kernels "$1")
	shown=$(words "$1")
	echo "$was" "$shown"
	# shellcheck disable=SC2086 # words
	link set "$1" type tunl $shown && [ "$(kernels "$1")" = "$was" ] || return
	link del copy
	# shellcheck disable=SC2086 # words
	link add copy type tunl $shown && [ "$(kernels copy)" = "$was" ]
}
link set office type tunl "${all[@]}"
check "the words of ip -d link change nothing, and make another such device" round_trip office
check "an external device is made" link add any type tunl external ttl 5
check_eq "and shown as such" "$(words any)" \
	"external mode ipip remote any local any ttl 5 tos inherit pmtudisc"
check "its words change nothing, and make another such device" round_trip any
link del any
link del copy

# --- refused: the word is named, and nothing happens

refused() { # TEXT WORD...: for a new device, and as a change
	says "$1" ip -n a link add bad type tunl "${@:2}" && says "$1" ip -n a link set office type tunl "${@:2}"
}
was=$(kernels office)
while IFS='|' read -r named set; do
	# shellcheck disable=SC2086 # words
	check "refused:$set: the answer is: ${named% }" refused "${named% }" $set
done <<-'END'
	"colour" is wrong: kind tunl has no such word | ttl 99 colour 5
	"10.0.1.256" | ttl 99 remote 10.0.1.256
	"256" is wrong: ttl | fwmark 1 ttl 256
	"0x100" is wrong: tos | ttl 99 tos 0x100
	"gre" is wrong: mode | ttl 99 mode gre
	"nowhere" | ttl 99 dev nowhere
	"blue" is wrong: fwmark | ttl 99 fwmark blue
	"vxlan" is wrong: encap | ttl 99 encap vxlan
	"auto" is wrong: encap-dport | ttl 99 encap-dport auto
	"65536" is wrong: encap-sport | ttl 99 encap-sport 65536
	"encap-sum" is wrong | ttl 99 encap-sum
	duplicate "ttl": "99" | ttl 98 ttl 99
	"nopmtudisc" is duplicate | pmtudisc nopmtudisc
	"encap-csum" is duplicate | noencap-csum encap-csum
	not complete | ttl 99 remote
	ECN bits | ttl 99 tos 3
	encap-dport: the port | ttl 99 encap fou encap-dport 0
END
check "flags are kept of kind tunl only" says "is it of kind tunl" ip -n a link set eth0 type tunl encap-csum
check_eq "after all of that, nothing has changed" "$(kernels office)" "$was"
check "nor been made" no_device bad

# --- answers of no sense

helper write_odd "$tmp/odd" "${TUNL_SEED:-1}" 300
shows_odd() { ip -d monitor file "$tmp/odd" >"$tmp/shown" 2>/dev/null && [ "$(grep -c ': office: ' "$tmp/shown")" = 339 ]; }
check "attributes that are missing, short or random are survived" shows_odd
check "and shown where they are whole" grep -q 'mode ipip remote 10.0.1.2 .* encap-dport 5555' "$tmp/shown"

# --- another version

refused_once() { # PROGRAM: goes on after one line
	IP_LIB_DIR=$tmp/lib "$1" -n a -d link show >"$tmp/shown" 2>"$tmp/errors" &&
		grep -q '^ *tunl ' "$tmp/shown" && ! grep 'mode any' "$tmp/shown" &&
		cat "$tmp/errors" && [ "$(wc -l <"$tmp/errors")" = 1 ]
}
link add second type tunl
ip=$(command -v ip)
other=$((9 - ${version%%.*}))${version#*.}
other=${other::1}.${version#*.}
must helper patched "$ip" "$tmp/ip-other" "$version" "$other"
chmod +x "$tmp/ip-other"
check "an ip of another version does without, and says so once" refused_once "$tmp/ip-other"
check_eq "it says which version is which, and what to do" "$(cat "$tmp/errors")" \
	"link_tunl.so: not used: built for iproute2 ${version%.*}, this is $other: make install-tools"
check "it makes no device of words that it does not know" \
	says 'Garbage' "$tmp/ip-other" -n a link add bad type tunl ttl 5
check "no device was made" no_device bad
must helper resized "$ip" "$tmp/ip-changed" ipip_link_util
chmod +x "$tmp/ip-changed"
check "an ip with another interface does without, and says so once" refused_once "$tmp/ip-changed"
check "it says that it was changed" grep -q "this is $version, changed" "$tmp/errors"
must make -s -C "$TUNL_TOP" tools IP_VERSION=6.999
cp "$TUNL_TOP/build/link_tunl.so" "$IP_LIB_DIR"
check "one built for another ip is not used by this one, which says so once" refused_once ip
check "it says for which" grep -q "built for iproute2 6.999, this is $version" "$tmp/errors"

# --- what bash completes

completes() { # WORD...: the last one is not complete
	bash -c '. "$0" && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && _'"${1//-/_}"' && echo "${COMPREPLY[*]}"' \
		"$TUNL_TOP/scripts/completion/$1" "$@"
}
options() { "$TUNL_TOP/scripts/$1" --help | grep -oE '(^|[ ,(])--?[a-z][a-z-]*' | grep -oE -- '--?[a-z-]+' | sort -u; }
offered() { # PROGRAM [VERB...]: of all verbs, with the short ones that say the same
	local verb

	for verb in "${@:2}"; do completes "$1" ${verb:+"$verb"} -; done | tr ' ' '\n' | sed '/^--dry-run$/a -n
		/^--quiet$/a -q' | sort -u
}
check_eq "all options of tunl-doctor are completed" "$(offered tunl-doctor '' | grep -vx -- --help)" "$(options tunl-doctor)"
check_eq "all options of ghost-host are completed" "$(offered ghost-host up down status | grep -vx -- --help)" "$(options ghost-host)"
check_eq "ghost-host: its verbs" "$(completes ghost-host '')" "up down status --help"
check_eq "ghost-host down: what it knows" "$(completes ghost-host down --)" "--ghost --all --dry-run --quiet --help"
check_eq "ghost-host --lan: interfaces" "$(completes ghost-host up --lan l)" lo
check_eq "tunl-doctor: tunnels" "$(completes tunl-doctor '')" tunl

ktap_end
