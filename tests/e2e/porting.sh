#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Run every command of docs/porting.md, in order, in one shell, with a folder of ours as HOME; then look at what they said.
#
# usage: porting.sh linux|all WORK_FOLDER        (linux: up to the page's Windows part; all needs mingw-w64 and Wine)
set -euo pipefail
export LC_ALL=C

[ $# -eq 2 ] || { echo "usage: $0 linux|all WORK_FOLDER" >&2; exit 2; }
top=$(cd "$(dirname "$0")/../.." && pwd)
part=$1
rm -rf "$2"
mkdir -p "$2"
work=$(cd "$2" && pwd)
page=$top/docs/porting.md

die() { printf 'porting.sh: %s\n' "$*" >&2; tail -n 60 "$work/said" >&2 || true; exit 1; }

# The blocks that are marked sh, and a line before each that says where it stands.
awk -v part="$part" '
    part == "linux" && /^## For Windows/ { exit }
    /^```sh$/ { inside = 1; print "echo \"== line " NR "\""; next }
    /^```$/ { inside = 0; next }
    inside' "$page" >"$work/commands"
blocks=$(grep -c '^echo "== line' "$work/commands") || true
[ "$blocks" -ge 5 ] || die "found $blocks blocks of commands only"

# A home of our own; packages are there already; nothing of another smartcrd is seen.
mkdir "$work/home"
unset LD_LIBRARY_PATH PKG_CONFIG_PATH
(cd "$top" && HOME=$work/home SMARTCRD_BUILD=$work/build NO_COLOR=1 bash -euo pipefail -x "$work/commands") \
    >"$work/said" 2>&1 || die 'a command of docs/porting.md failed'

times() { grep -cE -- "$1" "$work/said" || true; }
[ "$(times '^ATR 3B 04 45 43 48 4F')" = 3 ] || die 'the example was to be powered three times: plain, and with two sanitizers'
grep -q 'AB CD 90 00' "$work/said" || die 'the toy card did not give back what it had been given'
grep -qE '(WARNING|ERROR): (Address|Thread|Leak)Sanitizer|runtime error:' "$work/said" && die 'a sanitizer complained'
[ "$(times '^no rule was broken')" = 1 ] || die 'the verifier was to find nothing'
[ -s "$work/home/report.xml" ] || die 'there is no report.xml'
totals=2
[ "$part" = linux ] || totals=3
[ "$(times '^ +all +[0-9]+ passed +0 failed')" = $totals ] || die "the suite was to pass $totals times"
if [ "$part" = all ]; then
    # The suite passes as much under Wine as here, but for what Wine is said to lack.
    mapfile -t passed < <(sed -nE 's/^ +all +([0-9]+) passed.*/\1/p' "$work/said")
    lacks=$(sed -nE 's/^left out, Wine .*: ([^:]*)$/\1/p' "$work/said" | grep -oE '[0-9]+ of [0-9]+' | awk '{ n += $1 } END { print n + 0 }')
    [ "$((passed[2] + lacks))" = "${passed[0]}" ] ||
        die "the suite passed ${passed[0]} checks here, ${passed[2]} under Wine, which is said to lack $lacks"
    # Transmissions that are cancelled at about their end: a program that runs in the suite's place.
    cp -R "$work/home/smartcrd-windows" "$work/meetings"
    x86_64-w64-mingw32-gcc -std=c11 -O2 -Wall -Wextra -Werror -static -I"$top/include" \
        -o "$work/meetings/drivers/conform.exe" "$top/tests/e2e/wine_meetings.c"
    "$top/windows/wine" --driver "$work/home/mine/example.sys" "$work/meetings" "$work/home/wine" >>"$work/said" 2>&1 ||
        die 'a transmission that was cancelled at about its end did not end well'
fi
printf '%s blocks of commands of docs/porting.md work\n' "$blocks"
