#!/bin/sh
# SPDX-License-Identifier: MIT
# smartcrd conform: its options, its reports, its exit codes, and readers that are not virtual.
. "$SMARTCRD_E2E/cli_support.inc"

driver=${SMARTCRD_EXAMPLE_DRIVER:-}
# Its pended requests all end within milliseconds.
check=tracking_sets_its_event

ran "the list names checks with what they rest on" 0 conform --list
says "A.$check: IOCTL_SMARTCARD_IS_PRESENT" "F."
ran "a part of the list" 0 conform --list --part b,E
says "B." "E."
grep -q '^[ACDF]\.' "$work/out" && fail "another part is in the list"

ran "one check passes" 0 conform --check $check --seed 5
says "passed  A.$check" "1 passed    0 failed    0 skipped" "seed 5" "vreader0 (smartcrd, Virtual Reader)"
quiet
ran "a check can be named with its part" 0 conform --check A.$check
says "1 passed"
ran "a reader can be named" 0 --readers 2 conform vreader1 --check $check
says "vreader1 (smartcrd"
ran "the reader is as before for the commands behind it" 0 --card fs conform --check $check, state, insert echo, power
says "ABSENT" "ATR 3B"
ran "a line for each check as cmocka has it" 0 conform --style cmocka --check $check
says "[       OK ] A_$check"

ran "reports" 0 conform --check $check --json "$work/r.json" --junit "$work/r.xml"
grep -qF '"result":"passed"' "$work/r.json" || fail "the JSON report does not say that it passed"
grep -qF '<testcase' "$work/r.xml" || fail "the JUnit report has no test"
ran "a report on standard output" 0 conform --check $check --json -
says '"totals":{"passed":1,"failed":0,"skipped":0'
ran "a report that cannot be written" 1 conform --check $check --json "$work/none/r.json"
complains "cannot be written"
ran "one object with --json" 0 --json conform --check $check
says '"command":"conform"' '"tested":"vreader0"' '"totals":{"passed":1,"failed":0,"skipped":0' '"exit":0}'
[ "$(wc -l <"$work/out")" -eq 1 ] || fail "there is more than the object"

refused() {
	said=$1
	shift
	ran "$said is refused" 2 conform "$@"
	complains "smartcrd: "
	one_line
}
refused "an unknown option" --what
refused "a part that is none" --part G
refused "a check that is none" --check no_such_check
refused "a number that is none" --seed x
refused "a limit of nothing" --limit 0
refused "an option without its word" --json
refused "a style that is none" --style tap
refused "a second reader" vreader0 vreader1
ran "simulated time is refused" 2 --simulated-time conform --check $check
complains "real time"
one_line
ran "a list is no object" 2 --json conform --list
ran "a reader that is not there" 3 conform vreader9 --check $check
complains "vreader9"

if [ -f "$driver" ]; then
	ran "a driver of one's own: what needs the panel is left out with the reason" 0 --driver "$driver" conform --part A
	says "SCReader0 (" "left out, needs the virtual reader's panel" " 0 failed"
	grep -q '^passed  A\.' "$work/out" || fail "nothing was run"
fi
finish
