#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
#
# Configure a tunnel by netlink, as iproute2 would if it knew kind tunl, and
# say what the kernel answers.  Needs nothing but Python's own library.
#
#   netlink.py add NAME [ATTRIBUTE=VALUE...]      create
#   netlink.py change NAME [ATTRIBUTE=VALUE...]   change
#   netlink.py show NAME                          its attributes, on one line
#   netlink.py echo NAME                          send them back unchanged
#   netlink.py limit NAME NUMBER=VALUE            set an IFLA_* of any device, and say what
#                                                 it is then; nothing, if the kernel has none
#   netlink.py dscp VALUE TABLE                   a routing rule: that DSCP, in that table; a
#                                                 kernel that has no DSCP in rules makes one
#                                                 for all packets of it
#
# Several of them, with -- between, are done in turn.
#
# ATTRIBUTE: link local remote ttl tos proto pmtudisc fwmark encap encap-flags, or the
# number of an IFLA_IPTUN_*, whose value then is its bytes in hex; or kind, if it is not tunl.  What show
# leaves out is of a wrapper in UDP, and zero.  A refusal is printed as `ERRNO: text of the kernel`,
# and the exit status is 1.

import errno
import socket
import struct
import sys

RTM_NEWLINK, RTM_GETLINK, RTM_NEWRULE = 16, 18, 32
FRA_TABLE, FRA_DSCP, FR_ACT_TO_TBL = 15, 25, 1
NLMSG_ERROR = 2
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 1, 4, 0x200, 0x400
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSGERR_ATTR_MSG = 1
IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND, IFLA_INFO_DATA = 3, 18, 1, 2
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11

NAMES = {"link": 1, "local": 2, "remote": 3, "ttl": 4, "tos": 5, "proto": 9,
         "pmtudisc": 10, "fwmark": 20, "encap": 15, "encap-flags": 16}
ADDRESSES = (2, 3)
# in the order of bytes that the machine has
NUMBERS = {1: "=I", 15: "=H", 16: "=H", 20: "=I"}
ENCAP = (15, 16, 17, 18)


def attribute(kind, data):
    length = 4 + len(data)
    return struct.pack("=HH", length, kind) + data + bytes(-length % 4)


def attributes(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack("=HH", data[:4])
        found[kind & 0x3fff] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def parse(arg):
    name, value = arg.split("=", 1)
    if name not in NAMES:
        return attribute(int(name), bytes.fromhex(value))
    if NAMES[name] in ADDRESSES:
        return attribute(NAMES[name], socket.inet_aton(value))
    if NAMES[name] in NUMBERS:
        return attribute(NAMES[name], struct.pack(NUMBERS[NAMES[name]], int(value, 0)))
    return attribute(NAMES[name], bytes([int(value, 0)]))


def send(kind, flags, body):
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
    sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
    sock.send(struct.pack("=IHHII", 16 + len(body), kind,
                          NLM_F_REQUEST | flags, 1, 0) + body)
    return sock.recv(65536)


def call(kind, flags, name, data=None, link_kind="tunl", more=b""):
    body = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
    body += attribute(IFLA_IFNAME, name.encode() + b"\0") + more
    if data is not None:
        body += attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, link_kind.encode()) +
                          attribute(IFLA_INFO_DATA, data))
    return send(kind, flags, body)


def answer(reply):
    """What the kernel says to a request that is only acknowledged."""
    _, kind, flags, _, _ = struct.unpack("=IHHII", reply[:16])
    assert kind == NLMSG_ERROR
    error, = struct.unpack("=i", reply[16:20])
    if not error:
        print("done")
        return 0
    text = b""
    if flags & NLM_F_ACK_TLVS and flags & NLM_F_CAPPED:
        text = attributes(reply[36:]).get(NLMSGERR_ATTR_MSG, b"")
    elif flags & NLM_F_ACK_TLVS:
        # the whole request is quoted in front
        length, = struct.unpack("=I", reply[20:24])
        tlvs = reply[20 + ((length + 3) & ~3):]
        text = attributes(tlvs).get(NLMSGERR_ATTR_MSG, b"")
    print("%s: %s" % (errno.errorcode[-error], text.rstrip(b"\0").decode()))
    return 1


def data_of(name):
    reply = call(RTM_GETLINK, 0, name)
    if struct.unpack("=H", reply[4:6])[0] == NLMSG_ERROR:
        sys.exit(answer(reply))
    info = attributes(attributes(reply[32:])[IFLA_LINKINFO])
    return info[IFLA_INFO_KIND].rstrip(b"\0").decode(), info[IFLA_INFO_DATA]


def show(name):
    words = []
    for kind, value in attributes(data_of(name)[1]).items():
        if kind in ENCAP and not any(value):
            continue
        names = [n for n, k in NAMES.items() if k == kind] or [str(kind)]
        if kind in ADDRESSES:
            text = socket.inet_ntoa(value)
        elif kind in NUMBERS:
            text = str(*struct.unpack(NUMBERS[kind], value))
        elif names[0] in NAMES:
            text = str(value[0])
        else:
            text = value.hex()
        words.append(names[0] + "=" + text)
    print(" ".join(words))
    return 0


def limit(name, setting):
    number, value = setting.split("=")
    reply = call(RTM_NEWLINK, NLM_F_ACK, name,
                 more=attribute(int(number), struct.pack("=I", int(value))))
    if struct.unpack("=i", reply[16:20])[0]:
        return answer(reply)
    value = attributes(call(RTM_GETLINK, 0, name)[32:]).get(int(number))
    print(*struct.unpack("=I", value) if value else ())
    return 0


def dscp(value, table):
    return answer(send(RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
                       struct.pack("=BBBBBxxBI", socket.AF_INET, 0, 0, 0, 0, FR_ACT_TO_TBL, 0) +
                       attribute(FRA_TABLE, struct.pack("=I", int(table))) +
                       attribute(FRA_DSCP, bytes([int(value)]))))


def main(command, name, *args):
    if command == "dscp":
        return dscp(name, *args)
    if command == "limit":
        return limit(name, *args)
    kind = [arg[5:] for arg in args if arg.startswith("kind=")] or ["tunl"]
    data = b"".join(parse(arg) for arg in args if not arg.startswith("kind="))
    if command == "add":
        return answer(call(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
                           name, data, kind[0]))
    if command == "change":
        return answer(call(RTM_NEWLINK, NLM_F_ACK, name, data, kind[0]))
    if command == "echo":
        kind, data = data_of(name)
        return answer(call(RTM_NEWLINK, NLM_F_ACK, name, data, kind))
    return show(name)


def run(words):
    failed = 0
    line = []
    for word in words + ["--"]:
        if word != "--":
            line.append(word)
            continue
        failed |= main(*line)
        line = []
    return failed


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
