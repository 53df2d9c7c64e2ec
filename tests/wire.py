#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
#
# Put a crafted IPv4 packet in at one place and say what comes out at another.
# Needs nothing but Python's own library: an emulated guest takes seconds to
# import anything bigger.
#
#   wire.py carry FROM TO [FIELD=VALUE...]   print what arrived, or "lost"
#   wire.py carry FROM TO COMMON... -- FIELD=VALUE... -- FIELD=VALUE...
#                                            several packets, a line for each
#   wire.py send FROM [FIELD=VALUE...]       do not look whether it arrives
#   wire.py hold TO                          sit on packets without reading them
#
# FROM is NETNS (a raw socket: the packet is routed) or NETNS/DEVICE (a packet
# socket: the bytes are handed to the device as they are).  TO is NETNS/DEVICE.
# The netns "init" is the one that this runs in.
#
# FIELDs of the packet: src dst tos id df mf frag ttl proto ihl version size (of
# the payload) opt (options, in hex) sum (checksum; default: the right one).
# With any outer.FIELD, it is wrapped in another header; outer.udp=SPORT:DPORT puts UDP
# between, outer.gue=1 GUE behind that, outer.mpls=LABEL a label.  times=N sends N of
# them, every=SECONDS that far apart; ethertype=0x86dd and bytes=HEX send
# anything at all; wait=SECONDS for what is expected not to arrive.
#
# outer.pieces=0-600,600-900 cuts it into fragments, those bytes of the outer payload
# each, in that order; 600-900:3 with another TOS.
# With error.type, what is sent is an ICMP error about that packet: error.src
# error.dst error.type error.code error.mtu error.gateway error.len (RFC 4884) error.quote (how
# many bytes of it are quoted) error.more (what follows,
# in hex) error.sum.
#
# The answer is one line of FIELD=VALUE; inner.FIELD for what is inside a
# packet of protocol 4, also behind UDP (sport dport usum), GUE (gue=PROTOCOL) or a
# label (label label.ttl); icmp=TYPE/CODE, icmp.info=MTU and quote.FIELD of what an
# ICMP error quotes; inner=same or inner=changed; ids=N: how many different
# identifications the packets had, sports=N: how many source ports; arrived=N: how many
# there were.

import ctypes
import os
import select
import socket
import struct
import sys
import time

ETH_P_IP = 0x0800
ETH_P_ALL = 0x0003
CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


def netns_enter(fd):
    if libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def socket_in(netns, *args):
    """A socket made in another netns; we stay in ours."""
    if netns == "init":
        return socket.socket(*args)
    with open("/proc/self/ns/net") as home, \
            open("/run/netns/" + netns) as away:
        netns_enter(away.fileno())
        try:
            return socket.socket(*args)
        finally:
            netns_enter(home.fileno())


def packet_socket(place, ethertype):
    netns, device = place.split("/")
    # Cooked: what comes and goes begins at the network header.  The protocol
    # is for receiving and given to bind() only, or it would hear everything.
    sock = socket_in(netns, socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    sock.bind((device, ethertype))
    return sock


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def icmp_checksum(data):
    return checksum(data + bytes(len(data) % 2))


def error(fields, packet):
    """An ICMP error that quotes the packet, and its own IPv4 header."""
    quote = packet[:int(fields.get("quote", "548"))]
    more = bytes.fromhex(fields.get("more", ""))

    def data(total):
        if "gateway" in fields:
            rest = socket.inet_aton(fields["gateway"])
        else:
            rest = struct.pack("!BBH", 0, int(fields.get("len", "0")),
                               int(fields.get("mtu", "0")))
        return struct.pack("!BBH", int(fields["type"]),
                           int(fields.get("code", "0")),
                           total) + rest + quote + more
    icmp = data(int(fields.get("sum", str(icmp_checksum(data(0))))))
    return header({"src": fields["src"], "dst": fields["dst"]},
                  len(icmp), 1) + icmp


def header(fields, payload_len, proto):
    opt = bytes.fromhex(fields.get("opt", ""))

    def number(name, default):
        return int(fields.get(name, str(default)), 0)

    ihl = number("ihl", 5 + len(opt) // 4)
    frag = (number("df", 0) << 14 | number("mf", 0) << 13 |
            number("frag", 0) // 8)
    data = struct.pack("!BBHHHBBH4s4s",
                       number("version", 4) << 4 | ihl, number("tos", 0),
                       number("tot", 20 + len(opt) + payload_len),
                       number("id", 1), frag, number("ttl", 61),
                       number("proto", proto), 0,
                       socket.inet_aton(fields["src"]),
                       socket.inet_aton(fields["dst"])) + opt
    right = checksum(data)
    return (data[:10] + struct.pack("!H", number("sum", right)) + data[12:])


def fragments(fields, payload):
    for piece in fields["pieces"].split(","):
        piece, _, tos = piece.partition(":")
        first, last = (int(number) for number in piece.split("-"))
        yield header({**fields, "frag": str(first), "tos": tos or fields.get("tos", "0"),
                      "mf": str(int(last < len(payload)))},
                     last - first, 4) + payload[first:last]


def wrap(fields, inner):
    """What is between the outer header and the inner packet, and its protocol."""
    proto = 4
    if "mpls" in fields:
        inner = struct.pack("!I", int(fields["mpls"]) << 12 | 0x100 | 99) + inner
        proto = 137
    if "gue" in fields:
        inner = struct.pack("!BBH", 0, proto, 0) + inner
    if "udp" in fields:
        sport, dport = map(int, fields["udp"].split(":"))
        inner = struct.pack("!HHHH", sport, dport, 8 + len(inner), 0) + inner
        proto = 17
    return inner, proto


def describe_udp(packet, ihl):
    sport, dport, length, total = struct.unpack_from("!HHHH", packet, ihl)
    pseudo = packet[12:20] + struct.pack("!HH", 17, length)
    right = icmp_checksum(pseudo + packet[ihl:ihl + length]) == 0
    found = {"sport": sport, "dport": dport,
             "usum": ("right" if right else "wrong") if total else "none",
             "ulen": "right" if length == len(packet) - ihl else str(length)}
    rest = packet[ihl + 8:]
    if rest and rest[0] >> 6 == 0:
        found["gue"] = rest[1]
        rest = rest[4 + (rest[0] & 31) * 4:]
    if rest and rest[0] >> 4 == 4:
        found.update(describe(rest, "inner."))
    return found


def describe_labels(packet, ihl):
    labels, bottom = [], 0
    while not bottom and len(packet) >= ihl + 4:
        entry, = struct.unpack_from("!I", packet, ihl)
        labels.append(str(entry >> 12))
        bottom, ttl = entry >> 8 & 1, entry & 255
        ihl += 4
    found = {"label": ",".join(labels), "label.ttl": ttl}
    if packet[ihl:] and packet[ihl] >> 4 == 4:
        found.update(describe(packet[ihl:], "inner."))
    return found


def describe(packet, prefix=""):
    if len(packet) < 20:
        return {prefix + "len": len(packet)}
    (first, tos, tot, ident, frag, ttl, proto, _, src, dst) = \
        struct.unpack("!BBHHHBBH4s4s", packet[:20])
    ihl = first & 15
    found = {
        "version": first >> 4, "ihl": ihl, "tos": "0x%02x" % tos,
        "len": "right" if tot == len(packet) else "%d/%d" % (tot, len(packet)),
        "id": ident, "df": frag >> 14 & 1, "mf": frag >> 13 & 1,
        "frag": (frag & 0x1fff) * 8, "ttl": ttl, "proto": proto,
        "sum": "wrong" if checksum(packet[:ihl * 4]) else "right",
        "src": socket.inet_ntoa(src), "dst": socket.inet_ntoa(dst),
    }
    found = {prefix + name: value for name, value in found.items()}
    if proto == 4 and not prefix:
        found.update(describe(packet[ihl * 4:], "inner."))
    if proto == 17 and not prefix and len(packet) >= ihl * 4 + 8 and not frag & 0x1fff:
        found.update(describe_udp(packet, ihl * 4))
    if proto == 137 and not prefix and len(packet) >= ihl * 4 + 4:
        found.update(describe_labels(packet, ihl * 4))
    if proto == 1 and not prefix and len(packet) >= ihl * 4 + 8:
        found["icmp"] = "%d/%d" % tuple(packet[ihl * 4:ihl * 4 + 2])
        found["icmp.info"] = struct.unpack_from("!H", packet, ihl * 4 + 6)[0]
        found["icmp.sum"] = "wrong" if icmp_checksum(packet[ihl * 4:]) else "right"
        found.update(describe(packet[ihl * 4 + 8:], "quote."))
    return found


class Packet:
    def __init__(self, fields):
        token = os.urandom(8)
        inner = {k: v for k, v in fields.items() if "." not in k}
        outer = {k[6:]: v for k, v in fields.items() if k.startswith("outer.")}
        self.wait = float(fields.get("wait", "5"))
        self.times = int(fields.get("times", "1"))
        self.every = float(fields.get("every", "0"))
        self.ethertype = int(fields.get("ethertype", "0x0800"), 0)
        if "bytes" in fields:
            self.inner = self.data = bytes.fromhex(fields["bytes"])
            self.token = self.inner[12:]
            self.frames = None
            return
        payload = (token + bytes(range(256)) * 256)
        payload = payload[:int(fields.get("size", "32"))]
        # protocol 253 is for experiments: nobody answers it
        self.inner = header(inner, len(payload), 253) + payload
        self.token = payload[:8] or self.inner[12:]
        self.data = self.inner
        errors = {k[6:]: v for k, v in fields.items() if k.startswith("error.")}
        if outer:
            payload, proto = wrap(outer, self.inner)
            self.data = header(outer, len(payload), proto) + payload
            self.dst = outer["dst"]
        else:
            self.dst = inner["dst"]
        self.frames = None
        if "pieces" in outer:
            self.frames = list(fragments(outer, self.inner))
        if errors:
            self.data = error(errors, self.data)
            self.dst = errors["dst"]

    def send(self, source):
        if "/" in source:
            sock = packet_socket(source, 0)
            where = (source.split("/")[1], self.ethertype)
        else:
            sock = socket_in(source, socket.AF_INET, socket.SOCK_RAW,
                             socket.IPPROTO_RAW)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            where = (self.dst, 0)
        for _ in range(self.times):
            time.sleep(self.every)
            try:
                for frame in self.frames or [self.data]:
                    sock.sendto(frame, where)
            except OSError as error:
                print("sending: %s" % error.strerror, file=sys.stderr)


def carry_one(source, sock, fields):
    packet = Packet(fields)
    packet.send(source)
    arrived, ports, last, end = [], set(), None, time.monotonic() + packet.wait
    while len(arrived) < packet.times:
        if not select.select([sock], [], [], max(0, end - time.monotonic()))[0]:
            break
        data = sock.recv(65536)
        # NAT changes addresses, and an ICMP error quotes no more than it can
        if packet.token in data:
            last = data
            arrived.append(struct.unpack("!H", data[4:6])[0])
            ports.add(describe(data).get("sport"))
    if not arrived:
        return "lost"
    found = describe(last)
    same = last == packet.inner or last[found["ihl"] * 4:] == packet.data or \
        (found["proto"] in (17, 137) and last.endswith(packet.data))
    found["inner"] = "same" if same else "changed"
    found["ids"] = len(set(arrived))
    found["sports"] = len(ports)
    found["arrived"] = len(arrived)
    return " ".join("%s=%s" % item for item in found.items())


def carry(source, place, args):
    sock = packet_socket(place, ETH_P_IP)
    common, packets = [], [[]]
    for arg in args:
        if arg == "--":
            packets.append([])
        else:
            packets[-1].append(arg)
    if len(packets) > 1:
        common, *packets = packets
    for packet in packets:
        print(carry_one(source, sock, parse(common + packet)), flush=True)


def parse(args):
    return dict(arg.split("=", 1) for arg in args)


def main(argv):
    if argv[0] == "carry":
        carry(argv[1], argv[2], argv[3:])
    elif argv[0] == "send":
        Packet(parse(argv[2:])).send(argv[1])
    elif argv[0] == "hold":
        sock = packet_socket(argv[1], ETH_P_ALL)
        print("ready", flush=True)
        time.sleep(3600)
        sock.close()
    else:
        sys.exit("wire.py: carry, send or hold")


main(sys.argv[1:])
