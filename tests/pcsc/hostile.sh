#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Run hostile.c against a pcscd with the readers that it wants, and see whether pcscd ends although a driver hangs.
#
# usage: hostile.sh PROGRAM HANGING_DRIVER
set -uo pipefail

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
export SMARTCRD_TEST_PORTFILE=$work/port
"$(dirname "$0")/under_pcscd" --card '' --device 'vreader,timeout=300:' --device "driver,timeout=300:$2" \
    --device "vpcd:port=0 portfile=$work/port" -- sh -c '"$1"; code=$?; date +%s >"$2/ended"; exit $code' sh "$1" "$work"
code=$?
[ $code != 77 ] || exit 77
# Ten minutes, if it waited for the driver.
if [ -s "$work/ended" ] && [ $(($(date +%s) - $(cat "$work/ended"))) -le 20 ]; then
    echo '[       OK ] pcscd_ends_although_a_driver_hangs'
else
    echo '[  FAILED  ] pcscd_ends_although_a_driver_hangs'
    code=1
fi
exit $code
