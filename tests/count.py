#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Count the real results of `meson test` runs.

usage: count.py TESTLOG.json

Each cmocka test inside a program counts by itself; a program without any (a script, say) counts as one. Prints a line
for each failure and each skip, with the reason, then "PASSED FAILED SKIPPED" as three numbers.
"""
import json
import re
import sys

LINE = re.compile(r"^\[\s*(OK|FAILED|ERROR|SKIPPED)\s*\]\s+([A-Za-z_]\w*)\s*$", re.M)


def main(path):
    passed = failed = skipped = 0
    for line in open(path, encoding="utf-8"):
        test = json.loads(line)
        text = test.get("stdout", "") + "\n" + test.get("stderr", "")
        seen = {}
        for verdict, name in LINE.findall(text):
            if seen.get(name) not in ("FAILED", "ERROR"):
                seen[name] = verdict
        bad = [name for name, verdict in seen.items() if verdict in ("FAILED", "ERROR")]
        left = [name for name, verdict in seen.items() if verdict == "SKIPPED"]
        if not seen:
            if test["result"] == "SKIP":
                skipped += 1
                print(f"SKIPPED {test['name']}: {text.strip().splitlines()[-1] if text.strip() else 'no reason given'}")
            elif test["result"] in ("OK", "EXPECTEDFAIL"):
                passed += 1
            else:
                failed += 1
                print(f"FAILED {test['name']}: {test['result']}\n{tail(text)}")
            continue
        passed += len(seen) - len(bad) - len(left)
        skipped += len(left)
        failed += len(bad)
        for name in left:
            print(f"SKIPPED {test['name']}: {name}")
        if not bad and test["result"] not in ("OK", "SKIP"):
            failed += 1
            bad = [test["result"]]
        if bad:
            print(f"FAILED {test['name']}: {', '.join(bad)}\n{tail(text)}")
    print(passed, failed, skipped)


def tail(text, lines=60):
    return "\n".join("    " + line for line in text.strip().splitlines()[-lines:])


if __name__ == "__main__":
    main(sys.argv[1])
