#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The suite's reports, read back by parsers of others.

usage: reports.py REPORTS  (the program reports.c)

Bytes that are not ASCII come as the character of that number; what XML cannot hold comes as "?".
"""
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HARD = "<&\"'>]]>\t\n\r\x01\x1f\x7f\xe4 {}[],\\u0041"
IN_XML = HARD.replace("\x01", "?").replace("\x1f", "?")
failures = 0


def same(what, got, want):
    global failures
    good = got == want
    failures += not good
    print(f"[  {'     OK' if good else 'FAILED '} ] {what}")
    if not good:
        print(f"got  {got!r}\nwant {want!r}")


with tempfile.TemporaryDirectory() as work:
    paths = [os.path.join(work, name) for name in ("r.json", "r.xml")]
    subprocess.run([sys.argv[1], *paths], check=True)
    report = json.load(open(paths[0], encoding="utf-8"))
    root = xml.etree.ElementTree.parse(paths[1]).getroot()
    bad = subprocess.run([sys.argv[1], os.path.join(work, "none", "r"), paths[1]], stderr=subprocess.PIPE, text=True)

same("json_says_reader_and_seed", [report[key] for key in ("reader", "vendor", "type", "seed", "time")],
     ["vreader0", 'a"b\\c<d>&e', "\xff\x01", 4294967295, "2026-01-31T12:00:00Z"])
same("json_lists_every_check", [(c["part"], c["title"], c["name"], c["result"], c["ms"]) for c in report["checks"]],
     [("T", 'less < more & "most"', "passes", "passed", 1500), ("T", 'less < more & "most"', "fails", "failed", 7),
      ("T", 'less < more & "most"', "skipped", "skipped", 0)])
same("json_keeps_every_character", [c["reason"] for c in report["checks"]], ["", HARD, "no card in the reader"])
same("json_says_where_it_failed", [c["where"] for c in report["checks"]], ["", "part_t.c:12: ", ""])
same("json_names_sources", [c["source"] for c in report["checks"]],
     ['a page, <b> & "c"', "ISO/IEC 7816-3, 11.6.3.2", "]]> --> ' \\"])
same("json_counts", report["totals"], {"passed": 1, "failed": 1, "skipped": 1, "ms": 1507})

suite = root.find("testsuite")
cases = root.findall("testsuite/testcase")
same("xml_counts", [root.tag, *(root.get(key) for key in ("tests", "failures", "skipped", "time"))],
     ["testsuites", "3", "1", "1", "1.507"])
same("xml_has_a_suite_for_each_part", [(s.get("name"), s.get("tests")) for s in root.findall("testsuite")],
     [('T: less < more & "most"', "3")])
same("xml_lists_every_check", [(c.get("classname"), c.get("name"), c.get("time")) for c in cases],
     [("conform.T", "passes", "1.500"), ("conform.T", "fails", "0.007"), ("conform.T", "skipped", "0.000")])
same("xml_keeps_every_character_that_it_can", cases[1].find("failure").get("message"), IN_XML)
same("xml_says_where_it_failed", cases[1].find("failure").text, "part_t.c:12: ")
same("xml_says_why_it_was_skipped", cases[2].find("skipped").get("message"), "no card in the reader")
same("xml_names_sources", [c.find("properties/property").get("value") for c in cases],
     ['a page, <b> & "c"', "ISO/IEC 7816-3, 11.6.3.2", "]]> --> ' \\"])
same("xml_says_system_reader_seed",
     [(p.get("name"), p.get("value") != "") for p in suite.findall("properties/property")],
     [("system", True), ("reader", True), ("vendor", True), ("seed", True)])
same("file_that_cannot_be_written_is_told", (bad.returncode, bad.stderr.count("cannot be written")), (1, 1))
sys.exit(failures != 0)
