#!/bin/sh
# SPDX-License-Identifier: MIT
# The atr command: what it says about ATRs, and Debian's list of them.
. "$(dirname "$0")/cli_support.inc"

ran "an ATR with both protocols is explained" 0 atr 3B9595C00231FE158073B621403C
quiet
says "direct" "T=0, T=1; T=0 without PPS" "negotiable" "F = 512, D = 16" "3.571 MHz assumed" "WI = 2" \
	"IFSC = 254 bytes, BWI = 1, CWI = 5, EDC is an LRC" "card capabilities" "extended Lc and Le" "3C, right"
ran "waiting times are in etu and milliseconds" 0 atr 3B8080 0101 --clock 3720
# at 3.72 MHz an etu is 100 us: WT 9600 etu, CWT 11 + 2^13 etu, BWT 11 + 2^4 * 960 etu
says "9600 etu = 960.000 ms" "8203 etu = 820.300 ms" "15371 etu = 1537.100 ms" "3.720 MHz"
ran "bytes may be separate words" 0 atr 3B 02 14 50
says "T=0 without PPS" "14 50"
ran "inverse convention, as it stands on the wire" 0 atr 033FD7F57F
says "inverse (shown decoded)"
ran "inverse convention, decoded" 0 atr 3F 03 14 50 01
says "inverse"
ran "specific mode is told" 0 atr 3B90111000
says "specific: T=0, at the rate below"
ran "a storage card has a name" 0 atr 3B8F8001804F0CA000000306030001000000006A
says "MIFARE Classic 1K (0001), ISO 14443 A part 3"
ran "status bytes in historical bytes" 0 atr 3B650000 80 83 05 90 00
says "operational, activated, SW 9000 (success)"
ran "a wrong TCK is refused with its place" 1 atr 3B80800102
complains "at byte 4" "TCK"
ran "an ATR that stops too soon is refused" 1 atr 3BFF
ran "TS has two values" 1 atr 3C00
ran "no ATR at all" 1 atr ""
ran "without a card there is no ATR" 1 atr
complains "there is no ATR"

cat >"$work/list" <<'END'
# a comment
3B 02 14 50
	a card
3B 80 80 01 02
	its TCK is wrong
3B .. 14 50
	a wildcard
3B 02 14 [45]0
	another
END
ran "a list is judged, each refusal with its reason" 0 atr --file "$work/list"
says "1 parsed, 1 refused, 2 with wildcards skipped" "line 4: 3B 80 80 01 02" "byte 4: TCK"
rule="a list from standard input"
"$SMARTCRD" atr - <"$work/list" >"$work/out" 2>"$work/err" || fail "exit code"
says "1 parsed, 1 refused, 2 with wildcards skipped"

list=/usr/share/pcsc/smartcard_list.txt
if [ -r "$list" ]; then
	ran "every ATR of Debian's list is parsed or refused" 0 atr --file "$list"
	rule="the counts add up to the lines that begin with hex"
	lines=$(grep -c '^[0-9A-Fa-f]' "$list")
	sum=$(sed -n 's/^\([0-9]*\) parsed, \([0-9]*\) refused, \([0-9]*\) with wildcards skipped$/\1 + \2 + \3/p' "$work/out")
	[ $(($sum)) -eq "$lines" ] || fail "$sum is not $lines"
	rule="most of them are parsed"
	[ "$(sed -n 's/^\([0-9]*\) parsed.*/\1/p' "$work/out")" -gt 3000 ] || fail "too few"
else
	echo "skipped: $list is not there (package pcsc-tools)"
fi
finish
