#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What DEVICENAME names, through pcscd: virtual readers with one slot or several, scripts, card simulators in other
# processes, drivers in shared objects; and smartcrd-pcscd itself. SMARTCRD_VPCD_CARD and SMARTCRD_EXAMPLE_DRIVER are the
# simulator of tests/e2e and the example driver.
. "$(dirname "$0")/clients_support.inc"
need opensc-tool opensc
need scriptor pcsc-tools

fs_atr='3b:95:95:c0:02:31:fe:15:80:73:b6:21:40:3c'
echo_atr='3b:94:95:c0:02:31:fe:15:65:63:68:6f:18'

# atr READER ATR: the card has come, or (without ATR) gone.
atr() {
    local _
    for _ in $(seq 300); do
        [ "$(opensc-tool --reader "$1" -a 2>/dev/null || true)" != "$2" ] || return 0
        sleep 0.1
    done
    same "$2" "$(opensc-tool --reader "$1" -a 2>&1 || true)"
}

if [ -z "$inside" ]; then
    # The words of a script in a file: two commands, in this order.
    printf '%s\n' 'atr 3B 80 80 01 01' '> 00 A4 *' '< 90 00' '> 00 B0 00 00 ??' '< 11 22 33 90 00' >"$work/card"
fi

each_slot_has_its_own_card() {
    ends 0 smartcrd-pcsc list
    same $'0  smartcrd 1 00 00\n1  smartcrd 1 00 01\n2  smartcrd 1 00 02' "$(cat out)"
    atr 0 $fs_atr
    atr 2 $echo_atr
    ends 0 smartcrd-pcsc -r 1 status
    says out 'card=none'
    # What happens in one slot is nothing to the others.
    smartcrd-pcsc -r 0 remove
    smartcrd-pcsc -r 1 insert fs
    atr 1 $fs_atr
    atr 2 $echo_atr
    atr 0 ''
    ends 0 smartcrd-pcsc -r 1 journal
    ! grep -q TRANSMIT out || fail 'a journal has what happened in another slot'
}

readers_with_several_slots_stand_beside_each_other() {
    ends 0 smartcrd-pcsc list
    same $'0  smartcrd 1 00 00\n1  smartcrd 1 00 01\n2  smartcrd 2 01 00\n3  smartcrd 2 01 01' "$(cat out)"
    atr 0 $fs_atr
    atr 1 $echo_atr
    atr 2 $echo_atr
    atr 3 $fs_atr
}

sixteen_slots_in_one_reader() {
    same 16 "$(smartcrd-pcsc list | wc -l)"
    atr 15 $echo_atr
}

sixteen_readers() {
    same 16 "$(smartcrd-pcsc list | wc -l)"
    atr 15 $echo_atr
}

a_card_has_its_options() {
    # VERIFY with the PIN that was said, padded as the card wants it.
    ends 0 opensc-tool -s 00:20:00:01:06:39:38:37:36:35:34
    says out 'Received (SW1=0x90, SW2=0x00)'
}

a_script_answers_from_its_file() {
    atr 0 3b:80:80:01:01
    ends 0 opensc-tool -s 00:A4:00:00:02:3F:00 -s 00:B0:00:00:03
    says out '11 22 33'
}

a_card_simulator_comes_by_vpcd() {
    local port
    ends 0 smartcrd-pcsc status
    port=$(grep -oE 'port=[0-9]+' out | cut -d = -f 2)
    atr 0 ''
    "$SMARTCRD_VPCD_CARD" "$port" fs &
    atr 0 $fs_atr
    ends 0 opensc-tool -s 00:A4:01:0C:02:7F:10 -s 00:B0:81:00:05
    says out '73 6D 61 72 74 smart'
    kill %1
    wait || true
    atr 0 ''
}

a_driver_in_a_shared_object_is_a_reader() {
    atr 0 3b:04:45:43:48:4f
    # Its card keeps the data of the last command.
    ends 0 opensc-tool -s 00:D6:00:00:02:AB:CD -s 00:B0:00:00:02
    says out 'AB CD'
    ends 0 smartcrd-pcsc last-error
    same '0x00000000 STATUS_SUCCESS: it worked' "$(cat out)"
}

two_kinds_of_reader_in_one_pcscd() {
    atr 0 3b:04:45:43:48:4f
    atr 1 $fs_atr
}

a_refused_name_costs_only_its_own_reader() {
    same '0  smartcrd 2 00 00' "$(smartcrd-pcsc list)"
    atr 0 $echo_atr
}

# refused NAME WHY: pcscd starts, without this reader, and the reason is said.
refused() {
    ends 0 "$SMARTCRD_PCSCD" --device "$1" --card fs -- smartcrd-pcsc list
    says out 'smartcrd: ' "$2" '0  smartcrd 2 00 00'
}

each_refusal_has_its_reason() {
    refused 'usb:1234' 'smartcrd: DEVICENAME "usb:1234": it begins with vreader:, vpcd: or driver:'
    refused 'vreader:nonsense' 'there is no such kind of card'
    refused 'vreader:script=/nowhere' 'script=/nowhere cannot be read'
    refused 'vreader:fs pin=12' 'card "fs pin="'
    ! grep -qF 'pin=12' out || fail 'a PIN was told'
    refused 'driver:/nowhere/driver.so' '/nowhere/driver.so'
    refused 'driver:example' 'driver: wants the path of a driver'
    refused "driver:$SMARTCRD_EXAMPLE_DRIVER 17" 'behind the driver stands the number of its readers, 1 to 16'
    refused 'vreader,timeout=0:fs' 'only timeout=MS can stand'
    refused 'vreader:fs|fs|fs|fs|fs|fs|fs|fs|fs|fs|fs|fs|fs|fs|fs|fs|fs' 'more than 16 slots'
}

a_reader_has_its_deadline() {
    # The card takes 3 seconds for each answer, and asks for them.
    ! scriptor - <<<'00 B0 9E 00 00' >out 2>&1 || fail 'a transmit beyond the deadline worked'
    says out 'Transaction failed'
    ends 0 smartcrd-pcsc journal
    says out 'IOCTL_SMARTCARD_TRANSMIT STATUS_IO_TIMEOUT host'
}

the_commands_exit_code_is_ours() {
    ends 0 "$SMARTCRD_PCSCD" -- true
    ends 42 "$SMARTCRD_PCSCD" -- sh -c 'exit 42'
}

wrong_words_are_refused() {
    ends 2 "$SMARTCRD_PCSCD" --card
    ends 2 "$SMARTCRD_PCSCD" --nonsense
    ends 2 "$SMARTCRD_PCSCD" --card 'cac db="x"' -- true
    SMARTCRD_IFD_HANDLER=$work/nothing ends 3 "$SMARTCRD_PCSCD" -- true
    says out 'the IFD handler is not there'
    mkdir -p "$(printf '%0100d' 0)"
    TMPDIR=$work/$(printf '%0100d' 0) ends 3 "$SMARTCRD_PCSCD" -- true
    says out 'TMPDIR is too long'
    ends 0 "$SMARTCRD_PCSCD" --help
    says out 'usage: smartcrd-pcscd'
}

without_a_command_it_stays_until_it_is_interrupted() {
    local folder
    "$SMARTCRD_PCSCD" --card echo >said 2>&1 &
    soon said 'Ctrl-C ends it.'
    says said 'pcscd is running with 1 of'
    PCSCLITE_CSOCK_NAME=$(sed -n 's/^ *export PCSCLITE_CSOCK_NAME=//p' said)
    export PCSCLITE_CSOCK_NAME
    atr 0 $echo_atr
    kill -TERM %1
    wait %1 || same 130 $?
    # Nothing is left.
    folder=${PCSCLITE_CSOCK_NAME%/run/*}
    [ ! -e "$folder" ] || fail "$folder is left"
    ends 1 smartcrd-pcsc list
}

killed_it_leaves_no_pcscd() {
    local script folder status pcscd=''
    "$SMARTCRD_PCSCD" --card echo >said 2>&1 &
    script=$!
    soon said 'Ctrl-C ends it.'
    for status in /proc/[0-9]*/status; do
        grep -q "^PPid:[[:space:]]*$script\$" "$status" 2>/dev/null && pcscd=${status%/status}
    done
    [ -n "$pcscd" ] || fail 'pcscd is not to be found'
    folder=$(sed -n 's/^ *export PCSCLITE_CSOCK_NAME=//p' said)
    kill -KILL $script
    wait $script || same 137 $?
    for _ in $(seq 300); do
        [ -e "$pcscd" ] || break
        sleep 0.1
    done
    rm -rf -- "${folder%/run/*}"
    [ ! -e "$pcscd" ] || fail 'pcscd is still there'
}

without_a_namespace_pcscd_is_handed_its_socket() {
    mkdir -p nothing
    printf '#!/bin/sh\nexit 1\n' >nothing/unshare
    chmod +x nothing/unshare
    PATH=$PWD/nothing:$PATH ends 0 "$SMARTCRD_PCSCD" --card echo --card 'nonsense' -- sh -c \
        'stat -c %a "$PCSCLITE_CSOCK_NAME"; opensc-tool --reader 0 -a; smartcrd-pcsc list'
    says out '3b:94:95:c0:02:31:fe:15:65:63:68:6f:18' '0  smartcrd 1 00 00' nonsense
    same 700 "$(grep -x '[0-7]*' out)"
    ! grep -q '^1 ' out || fail 'a reader that was refused is there'
}

run each_slot_has_its_own_card --card 'fs | | echo'
run readers_with_several_slots_stand_beside_each_other --card 'fs|echo' --card 'echo|fs'
run sixteen_slots_in_one_reader --card '|||||||||||||||echo'
run sixteen_readers --card '' --card '' --card '' --card '' --card '' --card '' --card '' --card '' --card '' --card '' \
    --card '' --card '' --card '' --card '' --card '' --card echo
run a_card_has_its_options --card 'fs pin=987654 tries=2'
run a_script_answers_from_its_file --card "script=$work/card"
run a_card_simulator_comes_by_vpcd --device 'vpcd:port=0'
run a_driver_in_a_shared_object_is_a_reader --device "driver:$SMARTCRD_EXAMPLE_DRIVER"
run two_kinds_of_reader_in_one_pcscd --device "driver:$SMARTCRD_EXAMPLE_DRIVER" --card fs
run a_refused_name_costs_only_its_own_reader --card nonsense --card echo
run each_refusal_has_its_reason --card fs
run a_reader_has_its_deadline --device 'vreader,timeout=300:echo delay=3000'
run the_commands_exit_code_is_ours --card fs
run wrong_words_are_refused --card fs
run without_a_command_it_stays_until_it_is_interrupted --card fs
run killed_it_leaves_no_pcscd --card fs
run without_a_namespace_pcscd_is_handed_its_socket --card fs
finish
