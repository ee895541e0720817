#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The everyday tools of PC/SC: pcsc_scan, scriptor, opensc-tool, unmodified; and smartcrd-pcsc beside them.
. "$(dirname "$0")/clients_support.inc"
need pcsc_scan pcsc-tools
need scriptor pcsc-tools
need opensc-tool opensc

fs_atr='3B 95 95 C0 02 31 FE 15 80 73 B6 21 40 3C'
echo_atr='3B 94 95 C0 02 31 FE 15 65 63 68 6F 18'

pcsc_scan_sees_cards_and_their_atr_come_and_go() {
    # Its output is cut off at the end, with the rest of a line in its buffer.
    pcsc_scan -n >scan 2>&1 &
    soon scan 'Reader 0: smartcrd 1 00 00'
    soon scan "ATR: $fs_atr"
    smartcrd-pcsc remove
    soon scan 'Card removed'
    smartcrd-pcsc insert echo
    soon scan "ATR: $echo_atr"
    smartcrd-pcsc remove
    soon scan 'Card removed' 2
    kill %1
}

pcsc_scan_lists_every_reader() {
    pcsc_scan -r >scan 2>&1
    says scan '0: smartcrd 1 00 00' '1: smartcrd 2 01 00' '2: smartcrd 3 02 00'
}

opensc_tool_reads_the_atr() {
    ends 0 opensc-tool --reader 0 -a
    says out '3b:95:95:c0:02:31:fe:15:80:73:b6:21:40:3c'
}

opensc_tool_lists_readers_with_and_without_a_card() {
    ends 0 opensc-tool --list-readers
    grep -qE '^0 +Yes +smartcrd 1 00 00$' out || { cat out; fail 'reader 0 has a card'; }
    grep -qE '^1 +No +smartcrd 2 01 00$' out || { cat out; fail 'reader 1 has none'; }
}

opensc_tool_sends_commands() {
    # Select the application, read its first file, and one command that the card refuses.
    ends 0 opensc-tool -s 00:A4:01:0C:02:7F:10 -s 00:B0:81:00:05 -s 00:B0:9E:00:00
    says out 'Received (SW1=0x90, SW2=0x00)' '73 6D 61 72 74 smart' 'Received (SW1=0x6A, SW2=0x82)'
}

opensc_tool_says_that_a_reader_is_empty() {
    ends 1 opensc-tool -s 00:A4:00:00
    says out 'Failed to connect to reader: Card not present'
}

# scriptor PROTOCOL: a script of commands and resets
scripted() {
    printf '%s\n' 'reset' '00 A4 01 0C 02 7F 10' '00 B0 81 00 05' '00 12 00 00' |
        scriptor -p "$1" -r 'smartcrd 1 00 00' >out 2>&1
    says out "Using $1 protocol" "OK: $fs_atr" '< 90 00 : Normal processing.' \
        '< 73 6D 61 72 74 90 00 : Normal processing.' '< 6D 00'
}
scriptor_runs_a_script_over_t1() { scripted T=1; }
scriptor_runs_a_script_over_t0() { scripted T=0; }

our_tool_lists_readers_with_their_numbers() {
    ends 0 smartcrd-pcsc list
    same $'0  smartcrd 1 00 00\n1  smartcrd 2 01 00' "$(cat out)"
}

our_tool_takes_a_reader_by_number_and_by_the_beginning_of_its_name() {
    ends 0 smartcrd-pcsc -r 1 status
    says out 'card=none'
    ends 0 smartcrd-pcsc -r 'smartcrd 1' status
    says out 'card=fs'
    ends 3 smartcrd-pcsc -r 2 status
    says out 'no reader 2'
    ends 3 smartcrd-pcsc -r other status
    says out 'no reader other'
}

our_tool_tells_that_all_is_well() {
    ends 0 smartcrd-pcsc last-error
    same '0x00000000 STATUS_SUCCESS: it worked' "$(cat out)"
}

our_tool_shows_the_journal() {
    ends 0 opensc-tool -s 00:B0:9E:00:00
    ends 0 smartcrd-pcsc journal
    grep -qE '^[0-9]+ IOCTL_SMARTCARD_TRANSMIT STATUS_SUCCESS driver 13 10 [0-9]+ us' out || { cat out; fail 'no transmit'; }
    # Each is there once, in the order of its number.
    same "$(seq "$(wc -l <out)")" "$(cut -d ' ' -f 1 out)"
}

our_tool_says_why_a_card_was_refused() {
    ends 1 smartcrd-pcsc insert 'nonsense'
    says out 'there is no such kind of card'
    ends 0 smartcrd-pcsc status
    says out 'card=none'
    ends 0 smartcrd-pcsc insert 'fs pin=4711'
    ends 1 smartcrd-pcsc insert fs
    ends 0 smartcrd-pcsc remove
    ends 1 smartcrd-pcsc remove
}

our_tool_refuses_wrong_words() {
    ends 2 smartcrd-pcsc
    ends 2 smartcrd-pcsc insert
    ends 2 smartcrd-pcsc journal now
    ends 2 smartcrd-pcsc nonsense
    ends 0 smartcrd-pcsc --help
    says out 'usage: smartcrd-pcsc'
}

our_tool_says_that_there_is_no_pcscd() {
    PCSCLITE_CSOCK_NAME=$work/nothing ends 1 smartcrd-pcsc list
    says out 'smartcrd-pcsc: no pcscd: '
}

run pcsc_scan_sees_cards_and_their_atr_come_and_go --card fs
run pcsc_scan_lists_every_reader --card fs --card echo --card ''
run opensc_tool_reads_the_atr --card fs
run opensc_tool_lists_readers_with_and_without_a_card --card fs --card ''
run opensc_tool_sends_commands --card fs
run opensc_tool_says_that_a_reader_is_empty --card ''
run scriptor_runs_a_script_over_t1 --card fs
run scriptor_runs_a_script_over_t0 --card fs
run our_tool_lists_readers_with_their_numbers --card fs --card ''
run our_tool_takes_a_reader_by_number_and_by_the_beginning_of_its_name --card fs --card ''
run our_tool_tells_that_all_is_well --card ''
run our_tool_shows_the_journal --card fs
run our_tool_says_why_a_card_was_refused --card ''
run our_tool_refuses_wrong_words --card fs
run our_tool_says_that_there_is_no_pcscd --card fs
finish
