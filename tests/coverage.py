#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Judge what llvm-cov has counted.

usage: coverage.py TREE COVERAGE.json MISSED.txt

A line for each file and a total for each module; what is not reached goes to MISSED.txt. What is not reached must have
a row in docs/coverage.md: the file, a piece of the line as it stands there, and why.
"""
import json
import os
import re
import sys

LINES, BRANCHES = 98.0, 95.0
MODULES = ("src/iso7816", "src/smclib")
ROW = re.compile(r"^\| `(src/[^`]+)` \| `(.+?)` \| (.+) \|$")


def counted_lines(segments):
    """{line: count}: the greatest count of the code that begins or goes on in the line, as llvm-cov's own report."""
    lines, current = {}, None
    segments = sorted(segments, key=lambda s: (s[0], s[1]))
    for segment, following in zip(segments, segments[1:] + [None]):
        line, _, count, has_count, is_entry = segment[:5]
        gap = len(segment) > 5 and segment[5]
        if has_count and not gap:
            if is_entry or line not in lines:
                lines[line] = max(lines.get(line, 0), count)
            last = following[0] if following else line
            for between in range(line + 1, last):
                lines[between] = max(lines.get(between, 0), count)
            if following and following[0] > line and following[1] > 1:
                lines.setdefault(following[0], count)
    return lines


def counted_branches(branches):
    """{(line, column, outcome): count}: one entry for each place, over all copies of inline functions."""
    counts = {}
    for b in branches:
        for outcome, count in (("true", b[4]), ("false", b[5])):
            key = (b[0], b[1], outcome)
            counts[key] = max(counts.get(key, 0), count)
    return counts


def read_reasons(path):
    rows = []
    if os.path.exists(path):
        for line in open(path, encoding="utf-8"):
            match = ROW.match(line.rstrip("\n"))
            if match:
                rows.append({"file": match[1], "piece": match[2].replace("\\|", "|"), "used": False})
    return rows


def explained(reasons, file, text):
    found = False
    for row in reasons:
        if row["file"] == file and row["piece"] in text:
            row["used"] = found = True
    return found


def percent(good, all_):
    return 100.0 * good / all_ if all_ else 100.0


def show(name, lines, branches):
    print(f"{name:34} lines {lines[0]:5}/{lines[1]:<5} {percent(*lines):6.2f} %"
          f"   branches {branches[0]:4}/{branches[1]:<4} {percent(*branches):6.2f} %")


def main(top, exported, missed_path):
    reasons = read_reasons(os.path.join(top, "docs/coverage.md"))
    totals = {module: [[0, 0], [0, 0]] for module in MODULES}
    missed, unexplained = [], []

    for entry in sorted(json.load(open(exported))["data"][0]["files"], key=lambda e: e["filename"]):
        file = os.path.relpath(entry["filename"], top)
        module = os.path.dirname(file)
        if module not in totals:
            continue
        source = open(entry["filename"], encoding="utf-8").read().splitlines()
        lines = counted_lines(entry["segments"])
        branches = counted_branches(entry["branches"])
        counts = [[sum(c > 0 for c in found.values()), len(found)] for found in (lines, branches)]
        show(file, *counts)
        for total, count in zip(totals[module], counts):
            total[0] += count[0]
            total[1] += count[1]
        places = [(line, column, f"never {outcome}, column {column}")
                  for (line, column, outcome), count in branches.items() if count == 0]
        places += [(line, 999, "not reached") for line, count in lines.items() if count == 0]
        known_lines = set()
        for line, column, what in sorted(places):
            text = source[line - 1].strip()
            # What a branch leads to is explained with the branch.
            known = explained(reasons, file, text) or (column == 999 and {line, line - 1} & known_lines)
            if known:
                known_lines.add(line)
            missed.append(f"{file}:{line}: {what}{'' if known else ' (unexplained)'}: {text}")
            if not known:
                unexplained.append(missed[-1])

    with open(missed_path, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in missed)
    fine = not unexplained
    for module, (lines, branches) in totals.items():
        show("total " + module, lines, branches)
        fine = fine and lines[1] > 0 and percent(*lines) >= LINES and percent(*branches) >= BRANCHES
    for line in unexplained:
        print("not reached, and no row in docs/coverage.md says why: " + line)
    for row in reasons:
        if not row["used"]:
            print(f"note: docs/coverage.md explains what is reached or gone: {row['file']}: {row['piece']}")
    print(f"{len(missed)} places not reached, {len(unexplained)} of them unexplained; the bars are "
          f"{LINES:.0f} % of lines and {BRANCHES:.0f} % of branches")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 4 else __doc__)
