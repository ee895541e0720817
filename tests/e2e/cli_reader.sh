#!/bin/sh
# SPDX-License-Identifier: MIT
# The command on a virtual reader: state, power, protocol, APDUs, faults, the last error and the journal.
. "$(dirname "$0")/cli_support.inc"

ran "a reader begins without a card" 0 state
says "vreader0: ABSENT"
ran "several readers" 0 --readers 3 list
says "vreader0" "vreader1" "vreader2"
ran "use changes the reader that commands mean" 0 --readers 2 use vreader1 , insert fs , state , use vreader0 , state
says "vreader1: " "vreader0: ABSENT"
ran "add makes one more" 0 add , use vreader1 , state
says "vreader1"
ran "--card inserts" 0 --card fs state
says "card=fs"
ran "the first card is for the first reader" 0 --readers 2 --card fs --card echo state , use vreader1 , state
says "card=fs" "card=echo"
ran "an unknown kind of card is refused" 2 insert nonsense
complains "no such kind of card"
complains "help insert"
ran "a card without power is in" 0 --card fs state
says "PRESENT, a card is in, without power"
ran "a second card finds the slot taken" 1 --card fs insert echo
complains "STATUS_DEVICE_BUSY" "there is a card already"
ran "nothing can be removed from an empty slot" 1 remove
complains "STATUS_NO_MEDIA"
ran "power without a card fails with name and number" 1 power
complains "STATUS_INVALID_DEVICE_STATE (0xC0000184)"

ran "a card is powered" 0 --card fs power
says "ATR 3B"
ran "the inserted card's ATR is explained" 0 --card fs power , atr
says "convention" "protocols"
for protocol in t0 t1; do
	ran "APDUs of all four cases over $protocol" 0 --card fs power, protocol $protocol, \
		send 00A4040C0AF0736D61727463726401 --expect 9000, send 00A4040C0AF0736D6172746372640100 --expect 9000, \
		send 00B081000D --expect 9000, send 00B2021400 --expect 9000, send 00D6810002AABB 00B0810002 --expect 9000
	quiet
	says "SELECT" "READ BINARY" "41 6C 61 6E 20 54 75 72 69 6E 67" "AA BB 90 00"
done
ran "the protocol is said" 0 --card fs power, protocol t1, state
says "SPECIFIC" "protocol  T=1"
ran "an SW is told in words, and is no failure" 0 --card fs power, protocol t1, send 00A40000023FFF
says "6A 82" "file or application not found"
ran "--expect makes it one" 1 --card fs power, protocol t1, send 00A40000023FFF --expect 9000
complains "6A82"
ran "single bytes are one APDU" 0 --card fs power, protocol t1, send 00 A4 00 0C 02 3F 00 --expect 9000
ran "a PIN is not printed" 0 --card fs power, protocol t1, send 002000010431323334 --expect 9000, log
says "00 20 00 01 04 (4 bytes not shown)" "VERIFY"
grep -q "31 32 33 34\|31323334" "$work/out" && fail "there it is"
ran "unless asked for" 0 --show-pins --card fs power, protocol t1, send 002000010431323334 --expect 9000
says "00 20 00 01 04 31 32 33 34" "VERIFY"
ran "without a protocol there is no exchange" 1 --card fs power, send 00A40000023F00
ran "--raw over T=0 shows what the card says" 0 --card fs power, protocol t0, send --raw 00A4040C0AF0736D61727463726401
says "90 00"

ran "a mute card ends in a time-out" 1 --card fs power, protocol t1, fault mute count=0, \
	send --timeout 50 00A4000C023F00
complains "STATUS_IO_TIMEOUT (0xC00000B5)" "[host: "
ran "in simulated time it ends at once, after exactly its time" 1 -k --simulated-time --card fs power, protocol t1, \
	fault mute count=0, send --timeout 3600000 00A4000C023F00, sleep 86400000, send --timeout 7 00A4000C023F00, log
complains "STATUS_IO_TIMEOUT (0xC00000B5)"
says "    7.000 ms"
ran "a card that takes an hour is told so" 0 --simulated-time --card "echo delay=3600000" power, protocol t1, \
	send 00B0000002
says "3600000.000 ms"
ran "watch sees simulated time pass" 0 --simulated-time --card "echo delay=60000" power, protocol t1, \
	send --async 00B0000002, watch --for 90000
says "00:01:01.000  vreader0   TRANSMIT"
ran "the last error is that of the operation before" 1 -k --card fs power, protocol t1, fault mute count=0, \
	send --timeout 50 00A4000C023F00, last-error, last-error
[ "$(grep -c "STATUS_IO_TIMEOUT (0xC00000B5)" "$work/out")" -eq 2 ] || fail "not twice"
ran "an overlapped command can be cancelled" 1 -k --card fs power, protocol t1, fault mute count=0, \
	send --async 00A4000C023F00, cancel, wait, last-error, log
says "is in flight" "will end cancelled" "STATUS_CANCELLED (0xC0000120)"
complains "STATUS_CANCELLED"
ran "an overlapped command ends by itself" 0 --card fs power, protocol t1, send --async 00A4000C023F00, wait
says "90 00"
ran "wait and cancel say that nothing is in flight" 0 wait, cancel
[ "$(grep -c "Nothing is in flight" "$work/out")" -eq 2 ] || fail "not twice"
ran "the last try is one" 0 --card "fs tries=2" power, protocol t1, send 002000010439393939
says "63 C1" "1 try left"
ran "the journal's columns stand below each other, and no line ends in a blank" 1 -k --card fs power, protocol t1, \
	fault edc byte=1 count=0, send 00A4000C023F00, log
grep -q " \$" "$work/out" && fail "a blank at a line's end"
[ "$(grep "in > out\|ms  .* > " "$work/out" | awk '{ print index($0, " > ") }' | sort -u | wc -l)" -eq 1 ] || fail "columns"
ran "wait can give up" 1 --card fs power, protocol t1, fault mute count=0, send --async 00A4000C023F00, wait --timeout 20
complains "is still in flight"
ran "a card that leaves ends what is in flight" 1 -k --card fs power, protocol t1, fault mute count=0, \
	send --async 00A4000C023F00, sleep 20, remove, wait, last-error, state
complains "STATUS_NO_MEDIA (0xC0000178)"
says "STATUS_NO_MEDIA (0xC0000178)" "ABSENT"
ran "a broken T=1 link is a protocol error, with the step in words" 1 -k --card fs power, protocol t1, \
	fault edc byte=1 count=0, send 00A4000C023F00, last-error, log -n 1
complains "STATUS_DEVICE_PROTOCOL_ERROR (0xC0000186)" "[protocol: "
says "STATUS_DEVICE_PROTOCOL_ERROR (0xC0000186)"
ran "a fault with a wrong name is refused with a reason" 2 fault nonsense
ran "a wait for a card has a deadline" 1 state --wait present --timeout 30
complains "STATUS_IO_TIMEOUT"
ran "a wait for a card that is there ends at once" 0 --card fs state --wait present
ran "attributes by name and number" 0 --card fs power, protocol t1, attr vendor-name, attr 0x90303, attr
says "VENDOR_NAME" "ATR_STRING" "CURRENT_IFSC"
ran "an attribute that is not answered has a status" 1 attr extended-bwt
ran "warm reset and power down" 0 --card fs power, power warm, power down, state
ran "the default protocol" 0 --card fs power, protocol default t0
says "T=0"
ran "--verbose shows the journal" 0 -v --card fs power
says "#" "POWER cold: STATUS_SUCCESS"
ran "watch shows what is there and ends" 0 --card fs watch --for 30
says "vreader0"
ran "insertion through the reader is an operation" 0 insert fs --queued, log
says "STATUS_SUCCESS"

printf 'atr 3B021450\n> 00B0000002\n< AABB9000\n' >"$work/card"
ran "a script's text comes from a file" 0 insert script --file "$work/card", power, protocol t0, send 00B0000002

rule="SIGINT cancels what runs, and ends the chain"
timeout --foreground -s INT --preserve-status 1 "$SMARTCRD" --card fs power, protocol t1, fault wtx count=0, send 00A4000C023F00, \
	last-error >"$work/out" 2>"$work/err"
[ $? -eq 130 ] || fail "exit code"
complains "STATUS_CANCELLED (0xC0000120)"
grep -q "STATUS" "$work/out" && fail "it went on"
rule="SIGINT is how watch ends"
timeout --foreground -s INT --preserve-status 1 "$SMARTCRD" watch, help use >"$work/out" 2>"$work/err" || fail "exit code"
says "use READER"

if command -v script >/dev/null; then
	rule="the shell runs lines and keeps a private history without PINs"
	printf 'list\nhelp use\nsend 002000010431323334\nquit\n' |
		script -qec "$SMARTCRD" /dev/null >"$work/out" 2>"$work/err"
	says "vreader0" "make another reader"
	rule="Tab completes commands, choices, attributes and readers, and shows several"
	printf 'insert \tf\t\npow\tco\t\nattr atr_\t\nuse vr\t\nhelp las\t\nquit\n' |
		script -qec "$SMARTCRD" /dev/null >"$work/out" 2>"$work/err"
	if [ -f "$work/smartcrd/history" ]; then
		says "card=fs" "ATR 3B" "0x00090303" "fs  echo  script  vpcd  cac  --file  --queued" "GET_LAST_ERROR answers"
	fi
	history=$work/smartcrd/history
	if [ -f "$history" ]; then
		[ "$(stat -c %a "$history")" = 600 ] || fail "the history can be read by others"
		grep -q "help" "$history" || fail "the history is empty"
		grep -q "31323334" "$history" && fail "the history has a PIN"
	fi
fi
finish
