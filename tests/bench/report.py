#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0
"""Tables and plots from the data of scripts/bench.

  report.py table FILE.tsv            print the table, and that of what has changed
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
OVERHEAD = {"count", "forward", "gateway", "peers", "cpus"}
UNIT = {"count": "instructions per packet", "forward": "ns per packet", "gateway": "ns per packet", "peers": "ns per packet", "cpus": "ns per packet of a flow"}


def load(path):
    cases = collections.OrderedDict()
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("#"):
                continue
            boot, number, case, variant, figure = line.rstrip("\n").split("\t")
            turn = cases.setdefault(case, {}).setdefault((boot, number), {})
            turn[variant] = float(figure)
    if os.path.basename(path) == "count.tsv":
        decapsulation(cases)
    return cases


def decapsulation(cases):
    """What both halves take more than the first one."""
    for case, turns in list(cases.items()):
        first = cases.get(case.replace("both", "encap", 1))
        if not case.startswith("both") or not first:
            continue
        cases[case.replace("both", "decap", 1)] = {
            turn: {variant: figure - first[turn][variant] for variant, figure in ways.items()}
            for turn, ways in turns.items()}


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
    if name == "count":
        return table_of_count(path)
    if name == "profile":
        return table_of_profile(path)
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


def table_of_count(path):
    """The plain way as elsewhere; under other conditions, what ours adds, and the ratio."""
    cases = load(path)
    conditions = list(dict.fromkeys(case.split(", ", 2)[2] for case in cases))
    ways = ["%s, %s" % (half, arrival) for half in ("both", "encap", "decap")
            for arrival in ("64 at once", "one by one")]
    rows = [["way (%s)" % UNIT["count"], "no tunnel", "kernel's adds", "ours adds",
             "ours / kernel's"], ["---"] + ["---:"] * 4]
    others = [["ours adds (ours / kernel's)"] + ways, ["---"] + ["---:"] * len(ways)]
    for condition in conditions:
        row = [condition]
        for way in ways:
            turns = cases.get("%s, %s" % (way, condition))
            if not turns:
                row.append("")
                continue
            turn = list(turns.values())[-1]
            kernel, ours = (turn[variant] - turn["none"] for variant in ("kernel", "ours"))
            row.append("%.0f (%.2f)" % (ours, ours / kernel))
            if condition == "plain":
                rows.append([way] + ["%.0f" % value for value in (turn["none"], kernel, ours)] +
                            ["%.2f" % (ours / kernel)])
        others.append(row)
    return "\n".join("\n".join("| " + " | ".join(row) + " |" for row in part) + "\n"
                     for part in (rows, others) if len(part) > 2)


def changes(path):
    """What a tunnel of an older commit adds (or does), and the difference; the
    least of all rounds too, which what else runs on the machine cannot lower."""
    overhead = os.path.basename(path)[:-len(".tsv")] in OVERHEAD
    rows = [["", "before", "ours", "ours / before", "of the least"],
            ["---", "---:", "---:", "---:", "---:"]]
    for case, turns in load(path).items():
        turns = list(turns.values())
        less = [turn["none"] if overhead else 0 for turn in turns]
        both = [[value - none for value, none in zip(figures(turns, variant), less)]
                for variant in ("before", "ours")]
        least = [min(figures(turns, variant)) - (min(figures(turns, "none")) if overhead else 0)
                 for variant in ("before", "ours")]
        rows.append([case] + [number(statistics.median(values)) for values in both] +
                    [spread([now / then for then, now in zip(*both)]),
                     "%.2f" % (least[1] / least[0])])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def plot(path, picture):
    """What the kernel's tunnel adds, and ours, for each way."""
    lines = []
    name = os.path.basename(path)[:-len(".tsv")]
    for case, turns in load(path).items():
        # the plot of many conditions could not be read
        if name == "count":
            if not case.endswith(", plain"):
                continue
            case = case[:-len(", plain")]
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
set ylabel "%s"
set xtics rotate by -30 scale 0
set key top left
$data << END
%s
END
plot $data using 2:xtic(1) title "kernel's ipip" linecolor rgb "#9aa5b1", \\
     $data using 3 title "ours" linecolor rgb "#1f6feb"
""" % (picture, "instructions added to a packet's way" if name == "count"
       else "added to a packet's time, ns", "\n".join(lines))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def table_of_profile(path, most=40):
    """Sums of the modules and of the rest, then the functions that take more with ours."""
    functions = collections.defaultdict(lambda: collections.defaultdict(float))
    arrivals = []
    for case, turns in load(path).items():
        arrival, name = case.split(": ", 1)
        if arrival not in arrivals:
            arrivals.append(arrival)
        for variant, figure in list(turns.values())[-1].items():
            functions[name][arrival, variant] = figure
    ways = [(arrival, variant) for arrival in arrivals for variant in ("kernel", "ours")]

    def row(title, names):
        return [title] + ["%+.0f" % sum(functions[name][way] - functions[name][way[0], "none"]
                                        for name in names) for way in ways]

    def rank(name):
        return -max(functions[name][arrival, "ours"] - functions[name][arrival, "none"]
                    for arrival in arrivals)

    modules = [name for name in functions if re.match(r"(tunl|xmit|ipip|rcv|peer|queue|policy)_", name)]
    rows = [["function"] + ["%s, %s" % (arrival, "kernel's adds" if variant == "kernel" else "ours adds")
                            for arrival, variant in ways], ["---"] + ["---:"] * len(ways)]
    rows.append(row("**our modules**", modules))
    rows.append(row("**everything else**", [name for name in functions if name not in modules]))
    for name in sorted(functions, key=rank)[:most]:
        rows.append(row("`%s`" % name, [name]))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


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
        content = table(path)
        content += "\n%s\n" % source(path)
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
        if any("before" in turn for turns in load(sys.argv[2]).values()
               for turn in turns.values()):
            print(changes(sys.argv[2]))
    elif len(sys.argv) == 4 and sys.argv[1] == "page":
        page(*sys.argv[2:])
    else:
        sys.exit(__doc__)
