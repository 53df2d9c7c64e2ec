#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0
"""Tests of scripts/tunl-doctor that need no guest: it is given answers that were recorded.

  tests/doctor_test.py                            run the tests; says nothing if all pass
  tests/doctor_test.py --write     write the lists in docs/doctor.md and man/tunl-doctor.8
                                   anew, from the program's table
  tests/doctor_test.py --keys      print the keys that it knows
  tests/doctor_test.py --counters  print the counters that it knows
  tests/doctor_test.py --record FILE [ARGUMENT...]
                                   run it with these arguments, and keep what it was answered:
                                   tests/doctor/record.sh
  tests/doctor_test.py --record-answers FILE QUESTION...
                                   keep what this host answers

A record has what each question to programs, files and the kernel was answered, in order, and
the report that the doctor made of it.
"""

import contextlib
import functools
import io
import json
import os
import re
import sys
import textwrap
import types
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PROGRAM = f"{TOP}/scripts/tunl-doctor"
RECORDS = f"{TOP}/tests/doctor"
QUESTIONS = ("run", "read", "exists", "files", "have", "same_file")
# What stands for a name in a text, where the name in capitals would not do.
IN_PAGES = {
    "dev": "DEVICE", "way": "via GATEWAY", "load": "modprobe MODULE", "set": "sysctl -w NAME=1",
    "bind": "ip link set DEVICE type ipip dev OTHER", "make": "ip link add NAME type tunl",
    "let": "nft insert rule FAMILY TABLE CHAIN MATCH accept", "where": "chain CHAIN, REASON",
    "loosen": "sysctl -w net.ipv4.conf.DEVICE.rp_filter=2", "proto": "ipproto 4", "why": "REASON",
    "look": "tcpdump -vn -c 5 ip proto 4", "on": " on DEVICE", "is": "VALUE", "what": "PACKETS",
    "answer": "ip neigh add proxy PREFIX dev CARD", "modules": "neither tunnel.ko nor ipip.ko is",
    "state": "net.ipv4.ip_forward is 0: this host forwards nothing", "gone": "UNDERLAY",
    "follows": "  With MTU 0 it follows the underlay.", "name": "under its old name",
    **dict.fromkeys(("circle", "anybody", "refused", "over", "more"), ""),
}


class Unasked(Exception):
    """A question that has no recorded answer."""


@functools.lru_cache
def code():
    """The program, compiled."""
    with open(PROGRAM, encoding="utf-8") as file:
        return compile(file.read(), PROGRAM, "exec")


def load():
    """The program as a new module, which has looked at nothing yet."""
    module = types.ModuleType("tunl_doctor")
    module.__file__ = PROGRAM
    exec(code(), vars(module))  # pylint: disable=exec-used
    return module


def anywhere(text):
    """Text without the paths of this machine."""
    return text.replace(PROGRAM, "tunl-doctor").replace(sys.executable, "python3") \
        .replace(TOP, "/source")


def run(module, *arguments):
    """Its exit status, and what it printed."""
    module.sys.argv = ["tunl-doctor", *arguments]
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            status = module.main()
        except SystemExit as end:
            status = end.code
    return status, out.getvalue(), errors.getvalue()


def trimmed(question, answer):
    """An answer without lines of long files and of the log that the program does not look for."""
    if isinstance(answer, str) and question[0].endswith(("tunl.h", "modules.builtin")):
        return "".join(re.findall(r".*(?:TUNL_VERSION|/nf_tables\.ko|/fou\.ko).*\n", answer))
    if question[0] == "dmesg":
        found = re.findall(r".*(?:underlay device|refused a packet).*\n", answer[1])
        return [answer[0], "".join(found), answer[2]]
    return list(answer) if isinstance(answer, tuple) else answer


def record_answers(path, *questions):
    """Keep what this host answers to questions: `run PROGRAM...` or `read FILE`."""
    module = load()
    answers = {question: [getattr(module, question.split()[0])(*question.split()[1:])]
               for question in questions}
    with open(path, "w", encoding="utf-8") as file:
        file.write(json.dumps(answers, indent=1) + "\n")


def record(path, *arguments):
    """Run the program on this host, and keep all that it is answered."""
    module, answers = load(), {}

    def asked(kind, function):
        def ask(*question, **_):
            answer = function(*question)
            answer = bool(answer) if kind == "have" else answer
            given = answers.setdefault(anywhere(" ".join([kind, *question])), [])
            given.append(trimmed(question, answer))
            return answer
        return ask

    for kind in QUESTIONS:
        setattr(module, kind, asked(kind, getattr(module, kind)))
    status, _, errors = run(module, "--json", *arguments)
    for given in answers.values():
        if given.count(given[0]) == len(given):
            del given[1:]
    with open(path, "w", encoding="utf-8") as file:
        file.write(anywhere(json.dumps({
            "arguments": arguments, "release": module.RELEASE, "root": module.is_root,
            "status": status, "errors": errors, "report": module.REPORT, "answers": answers,
        }, indent=1)) + "\n")


def replay(recorded, **changed):
    """The program as a module that is given recorded answers, but for those that are changed."""
    module = load()
    left = {question: list(answers) for question, answers in recorded["answers"].items()}
    left.update(changed)

    def asked(kind):
        def ask(*question, **_):
            answers = left.get(anywhere(" ".join([kind, *question])))
            if answers is None:
                raise Unasked(kind, *question)
            return answers.pop(0) if len(answers) > 1 else answers[0]
        return ask

    for kind in QUESTIONS:
        setattr(module, kind, asked(kind))
    module.RELEASE, module.is_root = recorded["release"], recorded["root"]
    module.time.sleep = lambda seconds: None
    return module


def records():
    """All records, by name."""
    for name in sorted(os.listdir(RECORDS)):
        if name.endswith(".json"):
            with open(f"{RECORDS}/{name}", encoding="utf-8") as file:
                yield name, json.load(file)


# ---- the pages -----------------------------------------------------------------

def for_page(module, text):
    """A text of the table with its names in capitals."""
    return module.fill(text, lambda name: IN_PAGES.get(name, name.upper()))


def page_md(module, key, rows):
    """A key in docs/doctor.md."""
    lines = [f"### {key}", ""]
    for row in rows:
        for text, indent in ((row["sentence"], "> "), ("When: " + row["when"], ""),
                             (row["reason"], "")):
            lines += [textwrap.fill(for_page(module, text), 100, initial_indent=indent,
                                    subsequent_indent=indent, break_on_hyphens=False), ""]
        lines += ["```", *(for_page(module, command) for command in row["commands"]), "```", ""]
    return lines


def page_man(module, key, rows):
    """A key in the manual page."""
    return [f".It Sy {key}", ";\nor: ".join(for_page(module, row["sentence"]) for row in rows)]


PAGES = {"docs/doctor.md": (page_md, "<!-- tests/doctor_test.py --write -->", "<!-- end -->"),
         "man/tunl-doctor.8": (page_man, '.\\" tests/doctor_test.py --write', '.\\" end')}


def section(path):
    """A page in three parts, the second made from the table; and what that should be."""
    form, begin, end = PAGES[path]
    with open(f"{TOP}/{path}", encoding="utf-8") as file:
        before, _, rest = file.read().partition(begin + "\n")
    now, _, after = rest.partition(end + "\n")
    module, lines = load(), []
    for key in keys(module):
        name = f"`{key}`" if form == page_md and " " not in key else key.capitalize()
        lines += form(module, name if form == page_md else key,
                      [row for row in module.FINDINGS if row["key"] == key])
    return before + begin + "\n", now, end + "\n" + after, "\n".join(lines) + "\n"


def keys(module):
    """The keys in the order of the program; counters, which have keys of their own, are last."""
    found = list(dict.fromkeys(row["key"] for row in module.FINDINGS))
    return sorted(found, key=lambda key: " " in key)


# ---- the tests -----------------------------------------------------------------

class Tests(unittest.TestCase):
    """What is said of recorded hosts, and of answers that make no sense."""

    def test_records(self):
        """It says of each host what it said there: keys, commands, notes, exit status."""
        for name, recorded in records():
            with self.subTest(name):
                module = replay(recorded)
                status, out, _ = run(module, "--json", *recorded["arguments"])
                self.assertEqual(status, recorded["status"])
                report = json.loads(anywhere(json.dumps(module.REPORT)))
                self.assertEqual(report, recorded["report"])
                if status != 2:
                    self.assertEqual(json.loads(out)["findings"], module.REPORT["findings"])

    def test_text(self):
        """A line for each finding begins with its key, and one for each command with a tab."""
        for name, recorded in records():
            with self.subTest(name):
                _, out, _ = run(replay(recorded), *recorded["arguments"])
                lines = anywhere(out).splitlines()
                for finding in recorded["report"]["findings"]:
                    self.assertIn(f"{finding['key']}: {finding['sentence']}", lines)
                    for command in finding["commands"]:
                        self.assertIn("\t" + command, lines)
                self.assertTrue(all(char.isprintable() or char in "\n\t" for char in out))

    def test_nonsense(self):
        """Whatever one program answers, it ends with a status, and without a traceback."""
        nonsense = "", "[", "{}", "[1]", "[{}]", '[{"ifname": 1, "addr_info": 2, "dst": 3}]', \
            '{"nftables": 1}', '{"nftables": [{"rule": {}}]}', "\0\x1b[31m"
        seen = set()
        for name, recorded in records():
            for question, answers in recorded["answers"].items():
                if not question.startswith("run ") or question in seen:
                    continue
                seen.add(question)
                for text in (*nonsense, answers[0][1][:len(answers[0][1]) // 2]):
                    with self.subTest(name, question=question, text=text):
                        try:
                            status, _, _ = run(replay(recorded, **{question: [[0, text, ""]]}),
                                               *recorded["arguments"])
                        except Unasked:
                            continue    # another answer leads to another question
                        self.assertIn(status, (0, 1, 2))

    def test_unreadable_links(self):
        """Without interfaces it cannot look: exit status 2."""
        recorded = dict(records())["1994.json"]
        module = replay(recorded, **{"run ip -j -d addr show": [[0, "[{]", ""]]})
        status, _, errors = run(module, *recorded["arguments"])
        self.assertEqual(status, 2)
        self.assertIn("tunl-doctor: error: ", errors)

    def test_unreadable_firewall(self):
        """A firewall that cannot be read is said to be not looked at."""
        recorded = dict(records())["firewall.json"]
        module = replay(recorded, **{"run nft -j -s -t -p list ruleset": [[0, "{", ""]]})
        run(module, *recorded["arguments"])
        self.assertTrue(any(text.startswith("firewall: ")
                            for text in module.REPORT["not_looked_at"]))

    def test_iptables(self):
        """Rules of iptables, which has no JSON: those that drop, and those that let in."""
        recorded = dict(records())["1994-home.json"]
        said = {}
        for name in ("policy", "rule", "let-in", "perhaps", "nft"):
            with open(f"{RECORDS}/iptables/{name}.json", encoding="utf-8") as file:
                answers = json.load(file)
            answers.update({f"have {program}": [True]
                            for program in ("iptables-legacy", "iptables-nft")})
            module = replay(recorded, **answers)
            run(module, *recorded["arguments"])
            self.assertEqual(module.REPORT["not_looked_at"], [])
            said[name] = [(finding["key"], finding["sentence"].partition(": chain ")[2],
                           *finding["commands"]) for finding in module.REPORT["findings"]]
        policy = "by its policy, as no rule lets it pass; it passes only as an answer, for some " \
            "minutes after this host has sent something"
        let = "-I INPUT -s 111.112.101.37 -p 4 -j ACCEPT"
        self.assertEqual(said, {
            "policy": [("firewall", f"INPUT of table legacy filter, {policy}",
                        f"iptables-legacy -t filter {let}")],
            "rule": [("firewall", 'INPUT of table legacy filter, by the rule "-p ipencap -m '
                      """comment --comment "no \\'tunnels\\'" -j REJECT --reject-with """
                      'icmp-port-unreachable"', f"iptables-legacy -t filter {let}")],
            "let-in": [], "perhaps": [],
            "nft": [("firewall", f"INPUT of table ip filter, {policy}",
                     f"iptables -t filter {let}")],
        })

    def test_unknown_chain(self):
        """A chain that could not be read may let the packet pass."""
        recorded = dict(records())["firewall.json"]
        question = "run nft -j -s -t -p list ruleset"
        ruleset = json.loads(recorded["answers"][question][0][1])["nftables"]
        for entry in ruleset:
            rule = entry.get("rule", {})
            if rule.get("table") == "filter" and rule["chain"] == "INPUT":
                rule["expr"] = [{"jump": {"target": "a; b"}}]
        module = replay(recorded, **{question: [[0, json.dumps({"nftables": ruleset}), ""]]})
        run(module, *recorded["arguments"])
        self.assertFalse(any("table ip filter" in finding["sentence"]
                             for finding in module.REPORT["findings"]))

    def test_not_built(self):
        """In a source that is not built, the commands build it: no path is left to fill in."""
        recorded = dict(records())["modules.json"]
        missing = {f"exists /source/{folder}{module}/{module}.ko": [False]
                   for folder in ("", f"build/{recorded['release']}/")
                   for module in ("tunnel", "ipip")}
        module = replay(recorded, **missing)
        run(module)
        self.assertEqual(json.loads(anywhere(json.dumps(module.REPORT["findings"][0]["commands"]))),
                         ["make -C /source", "insmod /source/ipip/ipip.ko",
                          "insmod /source/tunnel/tunnel.ko"])

    def test_versions(self):
        """A program of another version than the modules says so."""
        recorded = dict(records())["1994.json"]
        module = replay(recorded)
        module.VERSION = "0.9"
        _, out, _ = run(module, *recorded["arguments"])
        self.assertRegex(out, "note: tunnel.ko is version .*, and this program is version 0.9:")

    def test_commands_are_quoted(self):
        """Names of interfaces are no words of the shell."""
        module = load()
        module.OPTIONS.json = True
        module.found({"key": "k", "sentence": "s", "reason": "r", "commands": ["ip {dev} {way}"]},
                     {"dev": "a;b $(c)", "way": ("via", "x'y")})
        self.assertEqual(module.REPORT["findings"][0]["commands"],
                         ["ip 'a;b $(c)' via 'x'\"'\"'y'"])

    def test_pages(self):
        """docs/doctor.md and the manual page have the table as it is."""
        for path in PAGES:
            _, now, _, right = section(path)
            self.assertEqual(now, right, f"{path}: run tests/doctor_test.py --write")

    def test_lines(self):
        """No line of the program is longer than 100 columns."""
        with open(PROGRAM, encoding="utf-8") as file:
            self.assertEqual([line for line in file if len(line) > 101], [])


def main():
    """Run what is asked for."""
    if sys.argv[1:2] == ["--record"]:
        record(*sys.argv[2:])
    elif sys.argv[1:2] == ["--record-answers"]:
        record_answers(*sys.argv[2:])
    elif sys.argv[1:2] == ["--keys"]:
        print("\n".join(key for key in keys(load()) if " " not in key))
    elif sys.argv[1:2] == ["--counters"]:
        print("\n".join(sorted([*load().COUNTERS, *load().HARMLESS])))
    elif sys.argv[1:2] == ["--write"]:
        for path in PAGES:
            before, _, after, right = section(path)
            with open(f"{TOP}/{path}", "w", encoding="utf-8") as file:
                file.write(before + right + after)
    else:
        out = io.StringIO()
        result = unittest.TextTestRunner(stream=out).run(
            unittest.defaultTestLoader.loadTestsFromTestCase(Tests))
        if not result.wasSuccessful():
            print(out.getvalue())
            sys.exit(1)


if __name__ == "__main__":
    main()
