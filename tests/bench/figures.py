#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Run every benchmark for a few rounds and make the table of what they show; then hold the README to it: each row of its
figures names rows of the table, and its targets are theirs. What the figures are does not matter here.

    figures.py SOURCE_ROOT BUILD_ROOT PROGRAM...
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

KEYS = {"name", "means", "unit", "median", "p10", "p90", "rounds", "under", "at_least", "met", "beside"}
MACHINE = {"cpu", "processors", "kernel", "compiler", "date", "revision"}
NAME = re.compile(r"`([a-z_]+\.[a-z0-9_.]+)`")

wrong = []


def expect(condition, words):
    if not condition:
        wrong.append(words)


def run_all(programs, record):
    environment = dict(os.environ, SMARTCRD_BENCH_RECORD=str(record))
    for program in programs:
        result = subprocess.run([program, "--quick"], env=environment, capture_output=True, text=True)
        expect(result.returncode == 0, f"{program} --quick: {result.returncode}\n{result.stderr}")


def make_table(root, record, build, output):
    return subprocess.run([sys.executable, root / "bench" / "table", record, build, output], capture_output=True, text=True)


def check_table(output):
    """What the JSON says, after a look at whether it is whole and the Markdown says the same. Rows by name."""
    table = json.loads(output.with_suffix(".json").read_text())
    text = output.with_suffix(".md").read_text()
    expect(MACHINE <= set(table["machine"]), "the machine is not described")
    expect(table["machine"]["compiler"], "no compiler is named")
    rows = {row["name"]: row for row in table["figures"]}
    for name, row in rows.items():
        expect(set(row) == KEYS, f"{name} has the keys {sorted(row)}")
        expect(row["median"] is None or row["median"] >= 0, f"{name} is {row['median']}")
        expect(row["met"] is None or row["under"] is not None or row["at_least"] is not None, f"{name}: met without target")
        shown = row["means"] if row["beside"] else f"| `{name}` |"
        expect(text.count(shown) >= 1, f"{name} is not in the Markdown")
    expect(any(row["met"] for row in rows.values()), "no target is met")
    return rows


def check_refusals(root, record, build, folder):
    """A table is not made of rows that contradict each other."""
    first = record.read_text().splitlines()[0]
    for words, line in (("two figures", first), ("was not measured", first.replace('"name": "', '"name": "x').replace(
            '"beside": null', '"beside": "nobody"'))):
        broken = folder / "broken"
        broken.write_text(first + "\n" + line + "\n")
        result = make_table(root, broken, build, folder / "refused")
        expect(result.returncode != 0 and words in result.stderr, f"a table was made although: {words}: {result.stderr}")


def known_elsewhere(root, name):
    """A figure of bench_pcsc, which needs pcscd and is not run here."""
    return name.startswith("pcsc.") and any(f'"{name}"' in path.read_text() for path in (root / "bench").glob("pcsc*.c"))


def check_readme(root, rows):
    section = (root / "README.md").read_text().split("\n## Figures\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    expect(lines, "the README shows no figures")
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        names = NAME.findall(cells[0])
        expect(names, f"the README's row names no figure: {line}")
        for name in names:
            if name not in rows:
                expect(known_elsewhere(root, name), f"the README names {name}, which no benchmark shows")
                continue
            for target in (rows[name]["under"], rows[name]["at_least"]):
                pattern = rf"(?<![\d.]){re.escape(f'{target:g}' if target is not None else '')}(?![\d.])"
                expect(target is None or re.search(pattern, cells[-1].replace(",", "")),
                       f"the README's target of {name} is {cells[-1]}, not {target}")


def main():
    root, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        record = folder / "record"
        run_all(sys.argv[3:], record)
        result = make_table(root, record, build, folder / "bench")
        expect(result.returncode == 0, f"the table: {result.stderr}")
        if result.returncode == 0:
            check_refusals(root, record, build, folder)
            check_readme(root, check_table(folder / "bench"))
    print("\n".join(wrong) or "every figure has its place")
    sys.exit(1 if wrong else 0)


main()
