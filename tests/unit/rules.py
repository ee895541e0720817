#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Hold docs/iso7816-3.md to its word: each row of its tables names a clause, whose rule it is, where the code is, and a
test that shows it. That the tests pass is for the programs themselves.

    rules.py DOCUMENT SOURCE_ROOT PROGRAM...     the programs are those of tests/unit that are built
"""

import os
import re
import sys

HEADER = ["clause", "rule", "whose", "where", "tests"]
WHOSE = {"reader", "card", "both"}
PAIR = re.compile(r"`([\w.]+): (\w+)`")


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows(text):
    """Yield (line number, cells) of each row, and (line number, None) where a table has another header."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|"):
            inside = False
        elif not inside:
            inside = True
            if [cell.lower() for cell in cells(line)] != HEADER:
                yield number, None
        elif not re.fullmatch(r"[|\s:-]+", line):
            yield number, cells(line)


def pairs(cell):
    """The `name: word` pairs of a cell; None when there is none, or anything else beside them."""
    found = PAIR.findall(cell)
    return found if found and not PAIR.sub("", cell).strip(" ,") else None


class Tree:
    """What is in the sources."""

    def __init__(self, root, programs):
        self.programs = set(programs)
        self.unit = os.path.join(root, "tests", "unit")
        self.files = {}
        for folder in ("iso7816", "client", "drivers/vreader"):
            path = os.path.join(root, "src", folder)
            for name in os.listdir(path):
                self.files.setdefault(name, []).append(os.path.join(path, name))
        self.texts = {}

    def read(self, path):
        if path not in self.texts:
            with open(path, encoding="utf-8") as file:
                self.texts[path] = file.read()
        return self.texts[path]

    def test_fault(self, program, function):
        path = os.path.join(self.unit, program + ".c")
        if program not in self.programs or not os.path.exists(path):
            return f"{program} is not built"
        text = self.read(path)
        if not re.search(rf"^static void {function}\(void \*\*state\)", text, re.M):
            return f"{program} has no test {function}"
        lists = "".join(re.findall(r"struct CMUnitTest \w+\[\] = \{(.*?)\};", text, re.S))
        if not re.search(rf"\(\s*{function}\s*[,)]", lists):
            return f"{program} does not run {function}"
        return None

    def place_fault(self, name, word):
        if not any(re.search(rf"\b{word}\b", self.read(path)) for path in self.files.get(name, [])):
            return f"there is no {word} in a {name}"
        return None


def faults(row, tree):
    if row is None:
        return ["the table's header is not: " + " | ".join(HEADER)]
    if len(row) != len(HEADER):
        return [f"{len(row)} cells instead of {len(HEADER)}"]
    clause, rule, whose, where, tests = row
    found = []
    if not clause:
        found.append("no clause")
    if not rule:
        found.append("no rule")
    if whose not in WHOSE:
        found.append(f"'{whose}' is nobody's")
    for cell, what, fault in ((where, "place", tree.place_fault), (tests, "test", tree.test_fault)):
        if pairs(cell) is None:
            found.append(f"no {what}, or more than that: '{cell}'")
        else:
            found += filter(None, (fault(*pair) for pair in pairs(cell)))
    return found


def check_of_this(tree):
    """A check that cannot fail is worthless: these rows must be found out, the first one must not."""
    place, test = "`atr.c: walk`", "`iso7816_atr: historical_bytes_are_kept`"
    good = ["8.2", "A rule.", "card", place, test]
    assert faults(good, tree) == []
    for column, cell in (
        (0, ""),
        (1, ""),
        (2, "host"),
        (3, ""),
        (3, "`atr.c: nowhere`"),
        (3, "`nowhere.c: walk`"),
        (4, ""),
        (4, "by reading"),
        (4, test + " and by reading"),
        (4, "`iso7816_nothing: historical_bytes_are_kept`"),
        (4, "`iso7816_support.h: hex`"),
        (4, "`iso7816_atr: no_such_test`"),
        (4, "`iso7816_atr: parse`"),
    ):
        assert len(faults(good[:column] + [cell] + good[column + 1 :], tree)) == 1, cell
    assert faults(good[:4], tree) and faults(None, tree)
    assert [row for _, row in rows("| a | b |\n|---|---|\n\n| Clause | Rule | Whose | Where | Tests |\n|---|\n| 1 |\n")] == [
        None,
        ["1"],
    ]


def main():
    document, root, programs = sys.argv[1], sys.argv[2], sys.argv[3:]
    tree = Tree(root, programs)
    check_of_this(tree)
    with open(document, encoding="utf-8") as file:
        text = file.read()
    count, failed, tests = 0, 0, set()
    for number, row in rows(text):
        count += 1
        for fault in faults(row, tree):
            failed += 1
            print(f"{document}:{number}: {fault}")
        tests.update(pairs(row[-1]) or [] if row else [])
    print(f"{count} rules, shown by {len(tests)} tests; {failed} faults")
    return 1 if failed or not count else 0


sys.exit(main())
