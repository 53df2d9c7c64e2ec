#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0
"""Tables and plots from the data of scripts/bench.

  report.py table FILE.tsv            print the table
  report.py page FOLDER PAGE.md       put tables into the page, plots beside it

A line of data: boot, round, case, variant, figure; a table for each file, between
`<!-- bench: NAME begin -->` and `<!-- bench: NAME end -->`. Ratios are of figures
of one round, and a table has their median and quartiles.
"""
import collections
import os
import re
import statistics
import subprocess
import sys

# Where a figure is the time of a packet, what counts is what the tunnel adds.
OVERHEAD = {"forward", "peers", "cpus"}
UNIT = {"forward": "ns per packet", "peers": "ns per packet", "cpus": "ns per packet of a flow"}


def load(path):
    cases = collections.OrderedDict()
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("#"):
                continue
            boot, number, case, variant, figure = line.rstrip("\n").split("\t")
            turn = cases.setdefault(case, {}).setdefault((boot, number), {})
            turn[variant] = float(figure)
    return cases


def source(path):
    with open(path, encoding="utf-8") as file:
        line = file.readline()
    return line[2:].strip() if line.startswith("# ") else ""


def number(value):
    return "%.0f" % value if abs(value) >= 100 else "%.3g" % value


def spread(values):
    """Median, and in brackets the quartiles."""
    middle = statistics.median(values)
    if len(values) < 3:
        return "%.2f" % middle
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return "%.2f (%.2f–%.2f)" % (middle, low, high)


def figures(turns, variant):
    return [turn[variant] for turn in turns if variant in turn]


def table(path):
    name = os.path.basename(path)[:-len(".tsv")]
    overhead = name in OVERHEAD
    if overhead:
        head = ["way (%s)" % UNIT[name], "no tunnel", "kernel's adds", "ours adds",
                "ours / kernel's"]
    else:
        head = ["", "no tunnel", "kernel's", "ours", "ours / kernel's", "ours / none"]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for case, turns in load(path).items():
        turns = list(turns.values())
        row = [case]
        for variant in "none", "kernel", "ours":
            values = figures(turns, variant)
            if overhead and variant != "none":
                values = [turn[variant] - turn["none"] for turn in turns]
            row.append(number(statistics.median(values)) if values else "")
        if overhead:
            row.append(spread([(turn["ours"] - turn["none"]) /
                               (turn["kernel"] - turn["none"]) for turn in turns]))
        else:
            row.append(spread([turn["ours"] / turn["kernel"] for turn in turns]))
            with_none = [turn["ours"] / turn["none"] for turn in turns if "none" in turn]
            row.append(spread(with_none) if with_none else "")
        rows.append(row)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def plot(path, picture):
    """What the kernel's tunnel adds, and ours, for each way."""
    lines = []
    for case, turns in load(path).items():
        adds = [[turn[variant] - turn["none"] for turn in turns.values()]
                for variant in ("kernel", "ours")]
        lines.append('"%s" %g %g' % (case, *map(statistics.median, adds)))
    script = """set terminal svg size 800,420 font "sans,12" background "white"
set output "%s"
set style data histograms
set style histogram clustered gap 1
set style fill solid border -1
set grid ytics
set yrange [0:*]
set ylabel "added to a packet's time, ns"
set xtics rotate by -30 scale 0
set key top left
$data << END
%s
END
plot $data using 2:xtic(1) title "kernel's ipip" linecolor rgb "#9aa5b1", \\
     $data using 3 title "ours" linecolor rgb "#1f6feb"
""" % (picture, "\n".join(lines))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def page(folder, target):
    with open(target, encoding="utf-8") as file:
        text = file.read()
    for entry in sorted(os.listdir(folder)):
        if not entry.endswith(".tsv"):
            continue
        name, path = entry[:-len(".tsv")], os.path.join(folder, entry)
        begin, end = "<!-- bench: %s begin -->\n" % name, "<!-- bench: %s end -->" % name
        if begin not in text or end not in text:
            sys.exit("report.py: %s has no place for %s" % (target, name))
        content = "%s\n%s\n" % (table(path), source(path))
        if name in OVERHEAD:
            plot(path, os.path.join(folder, name + ".svg"))
            content += "\n![%s](performance/%s.svg)\n" % (name, name)
        text = re.sub(re.escape(begin) + ".*?" + re.escape(end),
                      lambda _: begin + content + end, text, flags=re.S)
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    print("%s has the figures" % target)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "table":
        print(table(sys.argv[2]))
    elif len(sys.argv) == 4 and sys.argv[1] == "page":
        page(*sys.argv[2:])
    else:
        sys.exit(__doc__)
