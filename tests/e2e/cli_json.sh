#!/bin/sh
# SPDX-License-Identifier: MIT
# --json: every line is one object with the fields that smartcrd(1) names.
. "$(dirname "$0")/cli_support.inc"

if ! command -v python3 >/dev/null; then
	echo "skipped: python3 is not there to read JSON"
	exit 77
fi

# object N EXPRESSION: the expression holds for the Nth object, called o
object() {
	python3 - "$work/out" "$1" "$2" <<'END' || fail "object $1: $2"
import json, sys
lines = open(sys.argv[1], encoding="utf-8").read().split("\n")
assert lines.pop() == ""
objects = [json.loads(line) for line in lines]
o = objects[int(sys.argv[2])]
assert eval(sys.argv[3]), o
END
}

ran "one object for each command" 0 --json --card fs list, state, power, protocol t1, send 00A4000C023F00, last-error, \
	attr, log, help, help send, watch --for 20
object 0 'o["command"] == "list" and o["readers"][0]["name"] == "vreader0" and o["exit"] == 0'
object 1 'o["command"] == "state" and o["reader"] == "vreader0" and "card=fs" in o["slot"]'
object 2 'o["command"] == "power" and o["kind"] == "cold" and o["atr"].startswith("3B")'
object 3 'o["protocol"] == "T=1" and o["protocol_code"] == 2'
object 4 'o["exchanges"][0]["sw"] == "9000" and o["exchanges"][0]["apdu"] == "00A4000C023F00"'
object 5 'o["last_error"] == "STATUS_SUCCESS" and o["last_error_code"] == 0'
object 6 'any(a["name"] == "ATR_STRING" for a in o["attributes"])'
object 7 'o["entries"][-1]["operation"] == "IOCTL_SMARTCARD_TRANSMIT" and o["entries"][-1]["status"] == "STATUS_SUCCESS"'
object 8 'len(o["commands"]) > 15'
object 9 'o["name"] == "send" and "--expect" in o["help"]'
object 10 'o["event"] == "state" and o["state"] == "SPECIFIC"'
object -1 'o["command"] == "watch" and o["exit"] == 0'

ran "a failure is told in the object too" 1 --json power
object 0 'o["status"] == "STATUS_INVALID_DEVICE_STATE" and o["status_code"] == 0xC0000184 and o["exit"] == 1 and o["error"]'
ran "bad input is an object too" 2 --json send 00
object 0 'o["command"] == "send" and o["exit"] == 2 and "too short" in o["error"]'
object 0 'o["status"] is None and o["status_code"] is None and o["status_text"] is None'
ran "an answer that is not the expected one is no success" 1 --json --card fs power, protocol t1, send 00FF0000 --expect 9000
object 2 'o["status"] is None and o["exit"] == 1 and o["exchanges"][0]["sw"] == "6D00"'
ran "a PIN is not printed" 0 --json --card fs power, protocol t1, send 002000010431323334
object 2 'o["exchanges"][0]["apdu"] == "0020000104" and o["exchanges"][0]["redacted"] is True'
ran "what is in flight and how it ended" 1 -k --json --card fs power, protocol t1, fault mute count=0, \
	send --async 00A4000C023F00, cancel, wait
object 3 'o["exchanges"][0]["id"] > 0'
object 4 'o["requests"][0]["cancelled"] is True'
object 5 'o["requests"][0]["status"] == "STATUS_CANCELLED" and o["status"] == "STATUS_CANCELLED"'
ran "an ATR" 0 --json atr 3B80800101 --clock 3720
object 0 'o["valid"] and o["protocols"] == [0, 1] and o["times"][0]["bwt"] == {"etu": 15371, "ns": 1537100000}'
ran "an ATR that is refused" 1 --json atr 3B80800102
object 0 'o["valid"] is False and o["offset"] == 4'
printf '3B 80 80 01 02\n3B 02 14 50\n' >"$work/list"
ran "a list of ATRs" 0 --json atr --file "$work/list"
object 0 'o["parsed"] == 1 and o["refused_count"] == 1 and o["refused"][0]["line"] == 1'
printf 'use "a\\"\001\377b"\n' >"$work/script"
ran "quotation marks, control characters and bad UTF-8 are escaped" 2 --json -f "$work/script"
printf "use 'a\"\\\\\\\\\001\377b'\n" >"$work/script"
ran "quotation marks, control characters and bad UTF-8 are escaped" 3 --json -f "$work/script"
object 0 '"a\"" in o["error"] and "\x01" in o["error"] and "\ufffd" in o["error"]'
ran "the demo" 0 --json demo
object 0 'len(o["operations"]) == 5 and o["surprises"] == [] and all(x["status"] == x["expected"] == x["last_error"] == x["last_error_second_handle"] for x in o["operations"])'
finish
