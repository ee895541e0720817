#!/bin/sh
# SPDX-License-Identifier: MIT
# The demo checks itself; this checks that it tells of all four failures, and that what libcacard's card signs in its part
# of the demo is accepted by openssl, where that card was built and its tools are there.
. "$(dirname "$0")/cli_support.inc"

ran "the demo ends well" 0 demo
quiet
says "STATUS_IO_TIMEOUT (0xC00000B5)" "STATUS_CANCELLED (0xC0000120)" "STATUS_NO_MEDIA (0xC0000178)" \
	"STATUS_DEVICE_PROTOCOL_ERROR (0xC0000186)" "last error" "Everything ended as it should"
grep -q SURPRISE "$work/out" && fail "a surprise"

if [ -f "${SMARTCRD_CARD_PATH:-none}/smartcrd-card-cac.so" ] &&
	command -v certutil >/dev/null && command -v openssl >/dev/null; then
	rule="the demo with libcacard's card ends well, and openssl verifies the signature"
	"$(dirname "$0")/cac-demo.sh" "$SMARTCRD" "$work/cac" >"$work/out" 2>"$work/err" || fail "exit code"
	says "certificate" "signature" "Everything ended as it should" "Verified OK"
	rule="a wrong PIN is a surprise"
	"$SMARTCRD" demo --card cac --db "$work/cac/db" --pin 9999 >"$work/out" 2>"$work/err" && fail "exit code"
	complains "VERIFY"
else
	echo "skipped: libcacard's card or certutil is not there"
fi
finish
