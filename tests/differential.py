#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
#
# A few hundred requests about tunnels of kind ipip, and what came of each: the
# error, all that can be read back, the outer header of packets sent, the device
# that packets were received on.  To be run with the kernel's ipip and with ours,
# and compared; see differential.sh.
#
#   differential.py A B
#   differential.py compare FILE FILE
#
# A: a netns with eth0 10.0.1.1/24, 10.0.1.9 and eth1 10.0.2.1/24, and tunl0; B: a
# netns at the other end of both, 10.0.1.2 and 10.0.2.2.  Prints `CASE STEP: what`.
# compare: the kernel's answers and ours; fails if they differ in anything but
# what is listed, or do not where it is listed.

import ctypes
import errno
import fcntl
import itertools
import os
import re
import select
import socket
import struct
import sys

ETH_P_ALL, ETH_P_IP = 3, 0x800
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
F_REQUEST, F_ACK, F_DUMP, F_EXCL, F_CREATE = 1, 4, 0x300, 0x200, 0x400
NLMSG_ERROR, NLMSG_DONE = 2, 3
IFLA_ADDRESS, IFLA_BROADCAST, IFLA_IFNAME, IFLA_MTU, IFLA_LINK = 1, 2, 3, 4, 5
IFLA_TXQLEN, IFLA_STATS64, IFLA_LINKINFO = 13, 23, 18
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
ARPHRD_TUNNEL, IFF_UP = 768, 1
IFF_POINTOPOINT, IFF_BROADCAST, IFF_NOARP = 0x10, 0x2, 0x80
GET, ADD, DEL, CHG = 0x89F0, 0x89F1, 0x89F2, 0x89F3
CLONE_NEWNET, MPLS = 0x40000000, 137

ATTRIBUTES = {
    "link": (1, "I"), "local": (2, "A"), "remote": (3, "A"), "ttl": (4, "B"),
    "tos": (5, "B"), "limit": (6, "B"), "flowinfo": (7, "I"), "flags": (8, "H"),
    "proto": (9, "B"), "pmtudisc": (10, "B"), "encap": (15, "H"),
    "encap_flags": (16, "H"), "sport": (17, "H"), "dport": (18, "H"),
    "external": (19, ""), "fwmark": (20, "I"),
}
NAMES = {number: (name, form) for name, (number, form) in ATTRIBUTES.items()}
A1, A9, A2 = "10.0.1.1", "10.0.1.9", "10.0.2.1"
B1, B2 = "10.0.1.2", "10.0.2.2"
# Ports of wrappers in UDP, which read the same from either end; a label.
FOU, GUE, LABEL = 0x1515, 0x1616, 100


def enter(netns):
    fd = os.open("/run/netns/" + netns, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
        sys.exit("cannot enter netns " + netns)
    os.close(fd)


def attr(kind, data=b""):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def attrs(data):
    found = []
    while len(data) >= 4:
        length, kind = struct.unpack("=HH", data[:4])
        found.append((kind & 0x3fff, data[4:length]))
        data = data[(length + 3) & ~3:]
    return found


def pack(name, value):
    number, form = ATTRIBUTES[name]
    if isinstance(value, bytes):
        return attr(number, value)
    if form == "A":
        return attr(number, socket.inet_aton(value))
    if name in ("sport", "dport"):
        value = socket.htons(value)
    return attr(number, struct.pack("=" + form, value) if form else b"")


def unpack(number, data):
    name, form = NAMES.get(number, (str(number), None))
    if form == "A":
        return name, socket.inet_ntoa(data)
    if form and len(data) == struct.calcsize("=" + form):
        return name, str(struct.unpack("=" + form, data)[0])
    return name, data.hex() or "set"


def error_name(number):
    return errno.errorcode[number] if number else "done"


class Netlink:
    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.sequence = 0

    def send(self, kind, flags, body):
        self.sequence += 1
        self.sock.send(struct.pack("=IHHII", 16 + len(body), kind, F_REQUEST | flags,
                                   self.sequence, 0) + body)

    def ask(self, kind, flags, body):
        self.send(kind, flags | F_ACK, body)
        while True:
            reply = self.sock.recv(65536)
            if struct.unpack("=H", reply[4:6])[0] == NLMSG_ERROR:
                return error_name(-struct.unpack("=i", reply[16:20])[0])

    def links(self):
        self.send(RTM_GETLINK, F_DUMP, struct.pack("=BxHiII", 0, 0, 0, 0, 0))
        found = []
        while True:
            data = self.sock.recv(262144)
            while data:
                length, kind = struct.unpack("=IH", data[:6])
                if kind == NLMSG_DONE:
                    return found
                found.append(data[16:length])
                data = data[(length + 3) & ~3:]


class Link:
    """One message of a dump."""

    def __init__(self, message):
        _, self.type, self.index, self.flags, _ = struct.unpack("=BxHiII", message[:16])
        self.attrs = dict(attrs(message[16:]))
        self.name = self.attrs[IFLA_IFNAME].rstrip(b"\0").decode()
        info = dict(attrs(self.attrs.get(IFLA_LINKINFO, b"")))
        self.kind = info.get(IFLA_INFO_KIND, b"").rstrip(b"\0").decode()
        self.data = info.get(IFLA_INFO_DATA, b"")

    def received(self):
        return struct.unpack("=Q", self.attrs[IFLA_STATS64][:8])[0]

    def text(self, names):
        def number(index):
            return names.get(index, str(index))

        flags = [name for bit, name in ((IFF_POINTOPOINT, "POINTOPOINT"),
                                        (IFF_BROADCAST, "BROADCAST"), (IFF_NOARP, "NOARP"))
                 if self.flags & bit]
        words = [self.name, self.kind, ",".join(flags),
                 "mtu", str(struct.unpack("=I", self.attrs[IFLA_MTU])[0]),
                 "iflink", number(struct.unpack("=I", self.attrs.get(IFLA_LINK, b"none"))[0]),
                 socket.inet_ntoa(self.attrs[IFLA_ADDRESS]),
                 socket.inet_ntoa(self.attrs[IFLA_BROADCAST])]
        for pair in sorted(attrs(self.data)):
            key, value = unpack(*pair)
            words.append("%s=%s" % (key, number(int(value)) if key == "link" else value))
        return " ".join(words)


class Bench:
    def __init__(self, a, b):
        enter(b)
        self.far = [self.far_socket(name) for name in ("eth0", "eth1")]
        enter(a)
        self.netlink = Netlink()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.fences = []
        for address in A1, A2:
            fence = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            fence.bind((address, 9))
            fence.settimeout(10)
            self.fences.append(fence)
        self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        links = {link.name: link for link in map(Link, self.netlink.links())}
        self.index = {name: link.index for name, link in links.items()}
        self.names = {link.index: name for name, link in links.items()}
        macs = {name: links[name].attrs[IFLA_ADDRESS] for name in ("eth0", "eth1")}
        self.mac = [macs["eth0"], macs["eth1"]]
        self.case = self.step = 0

    @staticmethod
    def far_socket(name):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        sock.bind((name, ETH_P_ALL))
        return sock

    # ---- what is asked --------------------------------------------------------

    def say(self, text):
        print("%s %d: %s" % (self.case, self.step, text))

    def tunnels(self):
        return sorted((link for link in map(Link, self.netlink.links())
                       if link.type == ARPHRD_TUNNEL and link.kind == "ipip"),
                      key=lambda link: link.name)

    def report(self, what, result):
        self.step += 1
        self.say("%s -> %s" % (what, result))
        for link in self.tunnels():
            if link.name != "tunl0":
                self.say("  " + link.text(self.names))

    def request(self, kind, flags, name, data, **link):
        body = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
        body += attr(IFLA_IFNAME, name.encode() + b"\0")
        for number, value in link.items():
            body += attr(int(number[1:]), value)
        info = attr(IFLA_INFO_KIND, b"ipip")
        if data is not None:
            data = [(key, self.index[value] if key == "link" and isinstance(value, str)
                     else value) for key, value in data.items()]
            info += attr(IFLA_INFO_DATA, b"".join(pack(*pair) for pair in data))
        return self.netlink.ask(kind, flags, body + attr(IFLA_LINKINFO, info))

    def add(self, name, data, **link):
        result = self.request(RTM_NEWLINK, F_CREATE | F_EXCL, name, data, **link)
        self.report("add %s %s %s" % (name, data, link or ""), result)

    def change(self, name, data, **link):
        result = self.request(RTM_NEWLINK, 0, name, data, **link)
        self.report("change %s %s %s" % (name, data, link or ""), result)

    def echo(self, name):
        """What is read, sent back."""
        link = [link for link in self.tunnels() if link.name == name][0]
        body = struct.pack("=BxHiII", 0, 0, link.index, 0, 0)
        body += attr(IFLA_LINKINFO, attr(IFLA_INFO_KIND, b"ipip") +
                     attr(IFLA_INFO_DATA, link.data))
        self.report("echo " + name, self.netlink.ask(RTM_NEWLINK, 0, body))

    def delete(self, name):
        body = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + attr(IFLA_IFNAME, name.encode() + b"\0")
        return self.netlink.ask(RTM_DELLINK, 0, body)

    def remove(self, name):
        self.report("delete " + name, self.delete(name))

    def ioctl(self, command, device, name="", version=4, ihl=5, frag=0x4000, tos=0, ttl=0,
              proto=4, local="0.0.0.0", remote="0.0.0.0", link=0, key=0):
        wanted, link = link, self.index.get(link, link)
        parm = struct.pack("=16siHHII", name.encode(), link, key and 0x20, key and 0x20, key, key)
        parm += struct.pack("!BBHHHBBH4s4s", version << 4 | ihl, tos, 0, 0, frag, ttl, proto, 0,
                            socket.inet_aton(local), socket.inet_aton(remote))
        parm = ctypes.create_string_buffer(parm, len(parm))
        request = struct.pack("16sP8x", device.encode(), ctypes.addressof(parm))
        what = {GET: "get", ADD: "add", CHG: "chg", DEL: "del"}[command]
        text = "ioctl %s %s %s %s/%s link %s ttl %d tos %d proto %d frag %04x v%d ihl %d" % (
            what, device, name, local, remote, wanted, ttl, tos, proto, frag, version, ihl)
        try:
            fcntl.ioctl(self.udp, command, request)
        except OSError as error:
            self.report(text, error_name(error.errno))
            return
        result = "done"
        if command == GET:
            name, link, iflags, oflags, ikey, okey = struct.unpack("=16siHHII", parm.raw[:32])
            first, tos, _, _, frag, ttl, proto, _, local, remote = struct.unpack(
                "!BBHHHBBH4s4s", parm.raw[32:52])
            result += " %s link %s %02x tos %d frag %04x ttl %d proto %d %s %s keys %d" % (
                name.rstrip(b"\0").decode(), self.names.get(link, link), first, tos, frag, ttl, proto,
                socket.inet_ntoa(local), socket.inet_ntoa(remote),
                iflags | oflags | ikey | okey)
        self.report(text, result)

    # ---- what happens to packets ----------------------------------------------

    def up(self, name):
        os.system("ip link set %s up" % name)

    def route(self, route):
        os.system("ip route replace " + route)

    @staticmethod
    def ipv4(src, dst, proto, payload, tos=0, ttl=64, frag=0):
        header = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(payload), 7, frag,
                                       ttl, proto, 0, socket.inet_aton(src),
                                       socket.inet_aton(dst)))
        total = sum(struct.unpack("!10H", header))
        total = (total & 0xffff) + (total >> 16)
        header[10:12] = struct.pack("!H", ~(total + (total >> 16)) & 0xffff)
        return bytes(header) + payload

    @staticmethod
    def between(proto, data):
        """What is between the outer header and the inner packet."""
        if proto == MPLS:
            return " label %08x" % struct.unpack("!I", data[:4])
        if proto != socket.IPPROTO_UDP:
            return ""
        sport, dport, _, total = struct.unpack("!4H", data[:8])
        text = " udp %d>%d sum %s" % (sport, dport, "some" if total else "none")
        return text + (" gue " + data[8:12].hex() if dport == GUE else "")

    def seen(self):
        """Outer packets that reached the far end, up to the fence."""
        found = []
        for number, sock in enumerate(self.far):
            self.udp.sendto(b"fence", ((B1, B2)[number], 7))
            while select.select([sock], [], [], 10)[0]:
                frame, address = sock.recvfrom(65536)
                if address[2] == socket.PACKET_OUTGOING or frame[12:14] != b"\x08\x00":
                    continue
                packet = frame[14:]
                if packet[9] == socket.IPPROTO_UDP and packet[28:33] == b"fence":
                    break
                if packet[9] not in (socket.IPPROTO_IPIP, socket.IPPROTO_UDP, MPLS, 253):
                    continue
                _, tos, length, _, frag, ttl, proto = struct.unpack("!BBHHHBB", packet[:10])
                found.append("eth%d %s>%s proto %d tos %02x ttl %d frag %04x len %d%s" % (
                    number, socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20]),
                    proto, tos, ttl, frag, length, self.between(proto, packet[20:])))
        return "; ".join(found) or "nothing"

    def send(self, dst="10.9.0.2", tos=0, ttl=33, df=0, size=30):
        self.step += 1
        packet = self.ipv4("10.9.0.1", dst, 253, bytes(size), tos, ttl, df and 0x4000)
        result = "done"
        try:
            self.raw.sendto(packet, (dst, 0))
        except OSError as error:
            result = error_name(error.errno)
        self.say("send %s tos %02x ttl %d df %d size %d -> %s: %s" % (
            dst, tos, ttl, df, size, result, self.seen()))

    @staticmethod
    def wrap(inner, proto, port):
        if proto == MPLS:
            inner = struct.pack("!I", LABEL << 12 | 0x1ff) + inner
        if port == GUE:
            inner = struct.pack("!BBH", 0, proto, 0) + inner
        if not port:
            return proto, inner
        return 17, struct.pack("!4H", 999, port, 8 + len(inner), 0) + inner

    def receive(self, src, dst, link=0, tos=0, inner_tos=0, proto=4, port=0):
        """A wrapper from the far end; which device takes it, and as what."""
        self.step += 1
        source, group = src, dst
        before = {link.name: link.received() for link in self.tunnels()}
        inner = self.ipv4("10.9.0.2", "10.9.0.1", 253, bytes(30), inner_tos, 9)
        outer = self.ipv4(src, dst, *self.wrap(inner, proto, port), tos)
        mac = self.mac[link]
        if socket.inet_aton(dst)[0] >> 4 == 14:
            mac = b"\x01\x00\x5e" + bytes([socket.inet_aton(dst)[1] & 0x7f]) + \
                socket.inet_aton(dst)[2:]
        self.far[link].send(mac + b"\x02\0\0\0\0\1" + b"\x08\x00" + outer)
        # and a fence behind it on the same wire
        src, dst = ((B1, A1), (B2, A2))[link]
        fence = self.ipv4(src, dst, 17, struct.pack("!HHHH", 9, 9, 13, 0) + b"fence")
        self.far[link].send(self.mac[link] + b"\x02\0\0\0\0\1" + b"\x08\x00" + fence)
        self.fences[link].recv(100)
        taken = [link.name for link in self.tunnels()
                 if link.received() != before.get(link.name, 0)]
        self.say("receive %s>%s on eth%d proto %d port %d tos %02x/%02x -> %s" % (
            source, group, link, proto, port, tos, inner_tos, " ".join(taken) or "nobody"))

    # ---- cases ----------------------------------------------------------------

    def begin(self, name):
        for link in self.tunnels():
            if link.name != "tunl0":
                self.delete(link.name)
        self.case = name
        self.step = 0


def settings():
    """Every attribute with every sort of value."""
    yield "none", {}
    for ttl in 0, 1, 64, 255:
        yield "ttl", {"ttl": ttl}
    for tos in 0, 1, 2, 3, 4, 0x10, 0x11, 0xb8, 0xff:
        yield "tos", {"tos": tos}
    for ttl, pmtudisc in itertools.product((0, 5), (0, 1, 2)):
        yield "pmtudisc", {"ttl": ttl, "pmtudisc": pmtudisc}
    for proto in 0, 4, 41, 137, 255:
        yield "proto", {"proto": proto}
    for local in "0.0.0.0", A1, "10.99.0.1", "127.0.0.1", "224.0.0.5", "255.255.255.255":
        yield "local", {"local": local}
    for remote in "10.0.1.255", "127.0.0.1", "239.1.1.1", "255.255.255.255", A1, "10.99.0.1":
        yield "remote", {"remote": remote}
    yield "same", {"remote": B1, "local": B1}
    for link in "eth0", "lo", 4000, 0xffffffff:
        yield "link", {"link": link}
    for fwmark in 1, 0xffffffff:
        yield "fwmark", {"fwmark": fwmark}
    for encap in 0, 1, 2, 3, 9:
        yield "encap", {"encap": encap, "sport": 0, "dport": 0, "encap_flags": 0}
    yield "encap", {"sport": 5, "dport": 6, "encap_flags": 7}
    for encap, flags, sport in itertools.product((1, 2), (0, 1, 3, 4, 16), (0, 0x1111)):
        yield "encap", {"encap": encap, "sport": sport, "dport": FOU, "encap_flags": flags}
    yield "limit", {"limit": 3}
    yield "flowinfo", {"flowinfo": 3}
    yield "flags", {"flags": 3}
    for name, (_, form) in ATTRIBUTES.items():
        if form in ("B", "H", "I", "A"):
            yield "short", {name: b""}
    yield "short", {"remote": b"\x0a\0"}
    yield "short", {"link": b"\1\0"}
    yield "long", {"ttl": b"\x07\0\0\0"}


def cases_settings(bench):
    for name, data in settings():
        values = ",".join("%s=%s" % (key, value.hex() if isinstance(value, bytes) else value)
                          for key, value in data.items())
        bench.begin("create-%s:%s" % (name, values))
        bench.add("t1", {"remote": B1, **data} if name != "short" else data)
        if name not in ("local", "remote", "same"):
            bench.add("t2", data)
        bench.begin("change-%s:%s" % (name, values))
        bench.add("t1", {"remote": B1, "local": A1, "ttl": 7, "tos": 8, "fwmark": 3,
                         "link": "eth0"})
        bench.change("t1", {"remote": B1, **data} if name != "short" else data)
        if bench.tunnels():
            bench.echo("t1")


def cases_links(bench):
    bench.begin("no-data")
    bench.add("t1", None)
    bench.add("t1", {"local": A1})
    bench.change("t1", None)
    for mtu in 0, 20, 67, 68, 1000, 9000, 65515, 65516, 100000:
        bench.begin("create-mtu-%d" % mtu)
        bench.add("t1", {"remote": B1}, _4=struct.pack("=I", mtu))
        bench.begin("change-mtu-%d" % mtu)
        bench.add("t1", {"remote": B1})
        bench.change("t1", {"remote": B1}, _4=struct.pack("=I", mtu))
    bench.begin("link-address")
    bench.add("t1", {"remote": B1}, _1=socket.inet_aton(A9))
    bench.change("t1", {"remote": B1}, _1=socket.inet_aton(A1))
    bench.begin("link-broadcast")
    bench.add("t1", {"local": A1, "remote": B1}, _2=socket.inet_aton(B2))
    bench.begin("name")
    bench.add("t%d", {"remote": B1})
    bench.add("t%d", {"remote": B2})
    bench.add("lo", {"remote": "10.0.1.3"})
    bench.add("bad/name", {"remote": "10.0.1.3"})
    bench.begin("conflict")
    bench.add("t1", {"remote": B1, "local": A1})
    bench.add("t2", {"remote": B1, "local": A1})
    bench.add("t2", {"remote": B1})
    bench.add("t3", {"remote": B1, "local": A1, "link": "eth0"})
    bench.add("t4", {"remote": B1, "local": A1, "link": "eth0", "ttl": 4})
    bench.add("t5", {"local": A1})
    bench.add("t6", {"local": A1})
    bench.add("t6", {})
    bench.change("t2", {"remote": B1, "local": A1})
    bench.change("t2", {"remote": B2, "local": A1})
    bench.change("t2", {"remote": B1, "local": A1, "link": "eth1"})
    bench.begin("remote-kept")
    bench.add("t1", {"remote": B1})
    bench.change("t1", {})
    bench.change("t1", {"remote": B2})
    bench.add("t2", {"local": A1})
    bench.change("t2", {"local": A1, "remote": "10.0.1.7"})
    bench.change("t2", {"local": A9})
    bench.change("t2", {"local": A9, "proto": 0})
    bench.begin("fallback")
    bench.change("tunl0", {"local": A1})
    bench.change("tunl0", {"ttl": 9})


def cases_ioctl(bench):
    bench.begin("ioctl-add")
    bench.ioctl(GET, "tunl0")
    bench.ioctl(ADD, "tunl0", "t1", local=A1, remote=B1)
    bench.ioctl(GET, "t1")
    bench.ioctl(ADD, "tunl0", "t2", local=A1, remote=B1)
    bench.ioctl(ADD, "tunl0", "t1", local=A1, remote=B2)
    bench.ioctl(ADD, "tunl0", "t2", local=A1)
    bench.ioctl(ADD, "tunl0", "", remote="10.0.1.5")
    bench.ioctl(ADD, "tunl0", "x%d", remote="10.0.1.6")
    bench.ioctl(ADD, "tunl0", "bad/name", remote="10.0.1.7")
    bench.ioctl(ADD, "tunl0", "sixteen-letters!", remote="10.0.1.7")
    bench.ioctl(ADD, "tunl0", "t3")
    bench.ioctl(ADD, "t1", "t4", remote="10.0.1.8")
    bench.ioctl(GET, "tunl0", local=A1, remote=B1)
    bench.ioctl(GET, "t1", local=A1, remote="10.0.1.8")
    for number, parms in enumerate((
            {"version": 6}, {"ihl": 6}, {"frag": 0x2000}, {"frag": 0}, {"frag": 0, "ttl": 9},
            {"proto": 0}, {"proto": 137}, {"proto": 41}, {"tos": 1}, {"tos": 0x13},
            {"link": "eth1"}, {"link": 4000}, {"key": 77}, {"ttl": 255})):
        bench.begin("ioctl-parms-%d" % number)
        bench.ioctl(ADD, "tunl0", "t1", remote=B1, **parms)
        bench.ioctl(ADD, "tunl0", "t2", remote=B2)
        bench.ioctl(CHG, "t2", "t2", remote=B2, **parms)
        bench.ioctl(GET, "t2")
    bench.begin("ioctl-change")
    bench.add("t1", {"remote": B1, "fwmark": 5, "ttl": 3, "tos": 4, "proto": 0})
    bench.ioctl(GET, "t1")
    bench.ioctl(CHG, "t1", "t1", remote=B2, proto=0)
    bench.ioctl(CHG, "t1", "t1", local=A1, remote=B2, ttl=6, tos=0x10)
    bench.ioctl(CHG, "t1", "t1", local=A1)
    bench.ioctl(CHG, "tunl0", "", local=A1, remote=B2, ttl=8)
    bench.ioctl(CHG, "tunl0", "", local=A1, remote=B1, ttl=8)
    bench.ioctl(ADD, "tunl0", "t2", remote="10.0.1.5")
    bench.ioctl(CHG, "t2", "t2", local=A1, remote=B2)
    bench.ioctl(ADD, "tunl0", "t3", local=A9)
    bench.ioctl(CHG, "t3", "t3", local=A1)
    bench.ioctl(CHG, "t3", "t3", local=A1, remote="10.0.1.7")
    bench.begin("ioctl-delete")
    bench.ioctl(ADD, "tunl0", "t1", remote=B1)
    bench.ioctl(ADD, "tunl0", "t2", remote=B2)
    bench.ioctl(DEL, "tunl0", "", remote="10.0.1.5")
    bench.ioctl(DEL, "tunl0", "", remote=B1)
    bench.ioctl(DEL, "t2", "t2")
    bench.ioctl(DEL, "tunl0", "")


def cases_sent(bench):
    """The outer header, by settings and inner header."""
    for ttl, tos, pmtudisc in ((0, 0, 1), (0, 1, 1), (64, 0, 1), (0, 0, 0), (5, 0x10, 1),
                               (0, 0x13, 0), (0, 1, 0), (255, 0xb9, 1)):
        bench.begin("sent-%d-%d-%d" % (ttl, tos, pmtudisc))
        bench.add("t1", {"remote": B1, "ttl": ttl, "tos": tos, "pmtudisc": pmtudisc})
        bench.up("t1")
        bench.route("10.9.0.0/24 dev t1")
        for inner_tos, df in itertools.product((0, 1, 2, 3, 0x10, 0xbb), (0, 1)):
            bench.send(tos=inner_tos, df=df)
        bench.send(ttl=1)
        bench.send(size=1460, df=1)
        bench.send(size=1460)
    for name, data, route in (
            ("local", {"remote": B1, "local": A9}, "dev t1"),
            ("local-elsewhere", {"remote": B1, "local": A2}, "dev t1"),
            ("local-nowhere", {"remote": B1, "local": "10.99.0.1"}, "dev t1"),
            ("link", {"remote": B1, "link": "eth1"}, "dev t1"),
            ("link-same", {"remote": B1, "link": "eth0"}, "dev t1"),
            ("mark", {"remote": "10.77.0.1", "fwmark": 7}, "dev t1"),
            ("no-mark", {"remote": "10.77.0.1"}, "dev t1"),
            ("tos-route", {"remote": "10.78.0.1", "tos": 0x10}, "dev t1"),
            ("multicast", {"remote": "239.1.1.1", "link": "eth0"}, "dev t1"),
            ("gateway", {"local": A1}, "via %s dev t1 onlink" % B1),
            ("gateway-2", {}, "via %s dev t1 onlink" % B2),
            ("no-gateway", {}, "dev t1"),
            ("no-route", {"remote": "10.99.0.1"}, "dev t1"),
            ("any", {"remote": B1, "proto": 0}, "dev t1")):
        bench.begin("sent-" + name)
        bench.add("t1", data)
        bench.up("t1")
        bench.route("10.9.0.0/24 " + route)
        bench.send()
    bench.begin("sent-no-gateway-onlink")
    bench.add("t1", {})
    bench.up("t1")
    bench.route("10.0.1.0/24 dev t1 table 9")
    bench.send(dst=B1)
    bench.begin("sent-changed")
    bench.add("t1", {"remote": B1})
    bench.up("t1")
    bench.route("10.9.0.0/24 dev t1")
    bench.send()
    bench.change("t1", {"remote": B2, "ttl": 9})
    bench.send()
    bench.change("t1", {"remote": B2, "local": A1, "link": "eth1"})
    bench.send()
    bench.ioctl(CHG, "t1", "t1", remote=B1, tos=4)
    bench.send()


def cases_received(bench):
    """Whose is it: by remote, local and link, each there or not."""
    devices = [{"remote": B1, "local": A1}, {"remote": B1, "local": A1, "link": "eth0"},
               {"remote": B1, "local": A1, "link": "eth1"}, {"remote": B1},
               {"remote": B1, "link": "eth0"}, {"remote": B1, "link": "eth1"},
               {"local": A1}, {"local": A1, "link": "eth0"}, {"local": A1, "link": "eth1"},
               {}, {"link": "eth0"}, {"link": "eth1"}]
    sets = [(i,) for i in range(len(devices))]
    sets += [pair for pair in itertools.combinations(range(len(devices)), 2)
             if (pair[0] + pair[1]) % 3 == 0]
    sets += [tuple(range(0, 12, 3)), tuple(range(1, 12, 3)), tuple(range(2, 12, 3)),
             (0, 3, 6, 9), (2, 4, 7, 11), tuple(range(12))]
    for chosen in sets:
        bench.begin("received-" + "-".join(map(str, chosen)))
        for number in chosen:
            if devices[number] == {}:
                continue # tunl0 is that, and up
            bench.request(RTM_NEWLINK, F_CREATE | F_EXCL, "t%d" % number, devices[number])
            bench.up("t%d" % number)
        if 9 in chosen:
            os.system("ip link set tunl0 up")
        bench.receive(B1, A1)
        bench.receive(B1, A1, link=1)
        bench.receive(B1, A9)
        bench.receive(B2, A1)
        bench.receive(B2, A9, link=1)
        os.system("ip link set tunl0 down")
    bench.begin("received-down")
    bench.add("t1", {"remote": B1})
    bench.receive(B1, A1)
    bench.up("t1")
    bench.receive(B1, A1)
    bench.begin("received-multicast")
    bench.add("t1", {"remote": "239.1.1.1"})
    bench.up("t1")
    os.system("ip addr add 239.1.1.1 dev eth0 autojoin")
    bench.receive(B1, "239.1.1.1")
    bench.receive(B2, "239.1.1.1")
    bench.receive(B1, A1)
    bench.begin("received-ecn")
    bench.add("t1", {"remote": B1})
    bench.up("t1")
    for outer, inner in itertools.product(range(4), range(4)):
        bench.receive(B1, A1, tos=outer, inner_tos=inner)


def cases_external(bench):
    """Endpoints that come with each packet."""
    for name, data in (("plain", {}), ("any", {"proto": 0}), ("mpls", {"proto": MPLS}),
                       ("ttl", {"ttl": 9}), ("mark", {"fwmark": 5})):
        bench.begin("external-" + name)
        bench.add("t1", {"external": None, **data})
        bench.add("t2", {"external": None, **data})
        bench.add("t3", data)
        bench.change("t1", {"external": None, **data})
        bench.change("t3", {"external": None, **data})
        bench.ioctl(GET, "t1")
        bench.remove("t1")
        bench.add("t2", {"external": None, **data})
    bench.begin("external-endpoints")
    bench.add("t1", {"external": None, "remote": B1})
    bench.add("t2", {"external": None, "encap": 1, "dport": FOU})
    bench.begin("external-changed")
    bench.add("t1", {"external": None})
    bench.change("t1", {"ttl": 9})
    bench.change("t1", {"remote": B1})
    bench.ioctl(CHG, "t1", "t1", ttl=9)
    for name, data in ("external", {"external": None}), ("nbma", {"ttl": 7, "tos": 4}):
        bench.begin("sent-metadata-" + name)
        bench.add("t1", data)
        bench.up("t1")
        for route in ("dst " + B1, "dst %s src %s ttl 9" % (B1, A9), "id 7 dst %s tos 0x10" % B1,
                      "dst %s tos 1" % B1, "dst " + B2, "dst 10.99.0.1", "id 5"):
            bench.route("10.9.0.0/24 encap ip %s dev t1" % route)
            for tos, df in itertools.product((0, 1, 3, 0xb8), (0, 1)):
                bench.send(tos=tos, df=df)
        bench.route("10.9.0.0/24 dev t1")
        bench.send()
    for chosen in ((), ({"remote": B1},), ({"local": A1},), ({},)):
        bench.begin("received-external-%s" % (chosen,))
        bench.add("t1", {"external": None})
        bench.up("t1")
        for number, data in enumerate(chosen):
            if data:
                bench.add("t%d" % (number + 2), data)
                bench.up("t%d" % (number + 2))
            else:
                os.system("ip link set tunl0 up")
        bench.receive(B1, A1)
        bench.receive(B1, A9)
        bench.receive(B2, A1)
        bench.receive("10.0.1.7", A1)
        bench.receive(B1, A1, proto=MPLS)
        os.system("ip link set tunl0 down")


def cases_between(bench):
    """Wrappers in UDP, and labels."""
    for encap, flags in (1, 0), (1, 1), (2, 0), (2, 1), (2, 5):
        for sport in 0, 0x1111:
            bench.begin("sent-encap-%d-%d-%d" % (encap, flags, sport))
            bench.add("t1", {"remote": B1, "local": A1, "encap": encap, "encap_flags": flags,
                             "sport": sport, "dport": GUE if encap == 2 else FOU})
            bench.up("t1")
            bench.route("10.9.0.0/24 dev t1")
            for tos, df in itertools.product((0, 0xb9), (0, 1)):
                bench.send(tos=tos, df=df)
            bench.send(size=1420, df=1)
            bench.send(size=1452, df=1)
            bench.send(size=1460)
    bench.begin("sent-encap-gateway")
    bench.add("t1", {"encap": 1, "dport": FOU, "ttl": 5})
    bench.up("t1")
    bench.route("10.9.0.0/24 via %s dev t1 onlink" % B1)
    bench.send()
    for proto, ttl, pmtudisc in itertools.product((MPLS, 0, 4), (0, 9), (0, 1)):
        bench.begin("sent-mpls-%d-%d-%d" % (proto, ttl, pmtudisc))
        bench.add("t1", {"remote": B1, "proto": proto, "ttl": ttl, "pmtudisc": pmtudisc})
        bench.up("t1")
        bench.route("10.9.0.0/24 encap mpls %d dev t1" % LABEL)
        bench.send()
        bench.send(tos=0xb9, ttl=5, df=1)
        bench.send(size=1440)
        bench.route("10.9.0.0/24 dev t1")
        bench.send()
    bench.begin("sent-mpls-encap")
    bench.add("t1", {"remote": B1, "proto": 0, "encap": 2, "dport": GUE})
    bench.up("t1")
    bench.route("10.9.0.0/24 encap mpls %d dev t1" % LABEL)
    bench.send()
    for proto in MPLS, 0, 4:
        bench.begin("received-between-%d" % proto)
        bench.add("t1", {"remote": B1, "proto": proto, "encap": 1, "dport": FOU})
        bench.up("t1")
        for port in 0, FOU, GUE:
            bench.receive(B1, A1, port=port)
            if port != FOU: # which is for IPv4
                bench.receive(B1, A1, proto=MPLS, port=port)
            bench.receive(B2, A1, port=port)


def main(a, b):
    os.sched_setaffinity(0, {0})
    bench = Bench(a, b)
    for cases in (cases_settings, cases_links, cases_ioctl, cases_sent, cases_received,
                  cases_external, cases_between):
        cases(bench)
    bench.begin("fallback-deleted")
    bench.ioctl(DEL, "tunl0", "tunl0")
    bench.begin("end")


# ---- comparison ---------------------------------------------------------------

# What differs on purpose: in which cases, what the kernel's ipip and what ours
# has said there, and why.
DIFFERENCES = (
    (r"change-proto:proto=(0|137)|remote-kept|ioctl-parms-[56]|ioctl-change", r"proto=|fwmark=",
     r"proto=|fwmark=",
     "a change of mode takes effect, and an old-style change keeps the mark; the kernel's ipip "
     "says done and keeps the mode, and forgets the mark"),
    (r"(create|change)-(local|remote|same):.*(224.0.0.5|255.255.255.255|local=10.0.1.2)",
     r"done|ttl=0", r"EINVAL|ttl=7",
     "a group or a broadcast address as local address, a broadcast address as remote, and the "
     "same address for both are refused"),
    (r"(create|change)-link:link=4\d+|ioctl-parms-11", r"done|link=4", r"ENODEV|ttl=7|link=0|ttl 0",
     "an underlay device that is not there is refused"),
    (r"(create|change)-encap:encap=([12],.*(dport=0|encap_flags=16).*|1,.*encap_flags=4|3.*)",
     r"", r"EINVAL|ttl=7",
     "a wrapper in UDP without a port, or with flags that it does not have, is refused, and "
     "the type that the kernel's takes and never sends"),
    (r"external-(plain|any|mpls|ttl|mark|endpoints|changed)", r"done|EINVAL|EEXIST|ttl=9",
     r"EINVAL|done|ttl=0",
     "an external tunnel has no endpoints of its own and nothing that can be changed: a request "
     "for that is refused, and one that changes nothing is not"),
    (r"(create|change)-(limit|flowinfo|flags|short):(limit|flowinfo|flags).*", r"", r"EINVAL|ttl=7",
     "settings that link kind ipip does not have are refused, not ignored"),
    (r"(create|change)-mtu-0", r"mtu 68|EINVAL", r"mtu 1480|done",
     "MTU 0 means: follow the underlay"),
    (r"create-mtu-(20|67|65516|100000)", r"mtu (68|65515)|done", r"EINVAL",
     "an MTU that cannot be is refused, not replaced"),
    (r"link-address", r"ENOTSUP|local=0.0.0.0", r"done|local=10.0.1.1",
     "the link address can be set: it is the local address"),
    (r"ioctl-add", r"E2BIG|sixteen-letters", r"EINVAL",
     "an impossible name is EINVAL, one that is too long not cut off"),
    (r"sent-[0-9]+-[0-9]+-[0-9]+|sent-metadata-.*", r"tos .[2a] ", r"tos .[3b] ",
     "a congestion mark inside is copied to the outer header (RFC 6040)"),
    (r"fallback-deleted", r"EPERM", r"done", "tunl0 can be deleted"),
)


def steps(path):
    """What was said, by case and step."""
    found = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            match = re.match(r"(.*? \d+): (.*)", line)
            found.setdefault(match[1], []).append(match[2])
    return found


def compare(kernel, ours):
    kernel, ours = steps(kernel), steps(ours)
    used = dict.fromkeys(DIFFERENCES, 0)
    wrong = 0
    for step in dict.fromkeys(list(kernel) + list(ours)):
        theirs, mine = kernel.get(step, []), ours.get(step, [])
        if theirs == mine:
            continue
        only = "\n".join(line for line in theirs if line not in mine)
        here = "\n".join(line for line in mine if line not in theirs)
        for rule in DIFFERENCES:
            where, before, after, _ = rule
            if re.fullmatch(where, step.rsplit(" ", 1)[0]) and \
                    (not only or re.search(before, only)) and \
                    (not here or re.search(after, here)):
                used[rule] += 1
                break
        else:
            wrong += 1
            print("differs: %s\nthe kernel's: %s\nours:         %s" % (step, only, here))
    for rule, times in used.items():
        print("%d: %s" % (times, rule[3]))
        if not times:
            print("differs no more: " + rule[0])
            wrong += 1
    print("%d requests and packets, %d of them differ" % (len(kernel), sum(used.values())))
    return 1 if wrong else 0


if sys.argv[1] == "compare":
    sys.exit(compare(*sys.argv[2:]))
main(*sys.argv[1:])
