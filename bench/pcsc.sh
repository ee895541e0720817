#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The PC/SC benchmark: four pcscds of its own (one with all rivals' readers, three idle ones), then pcsc.c's figures.
set -uo pipefail

here=@here@
handler=@handler@
nothing=$here/pcsc_nothing.so
vpcd=/usr/lib/pcsc/drivers/serial/libifdvpcd.so
PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d "${TMPDIR:-/tmp}/bench-pcsc.XXXXXX") || exit 1
pids=()

finish() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    rm -rf -- "$work"
}
trap finish EXIT
trap 'exit 130' HUP INT TERM

for file in "$handler" "$nothing" "$vpcd"; do
    [ -r "$file" ] || { echo "bench pcsc: $file is not there" >&2; exit 1; }
done
command -v pcscd >/dev/null || { echo 'bench pcsc: pcscd is not installed' >&2; exit 1; }

# reader CONF NAME DEVICE LIBRARY CHANNEL
reader() {
    mkdir -p "$work/$1/conf" "$work/$1/run"
    printf 'FRIENDLYNAME "%s"\nDEVICENAME "%s"\nLIBPATH %s\nCHANNELID %d\n\n' "$2" "$3" "$4" "$5" >>"$work/$1/conf/readers"
}

# vpcd wants its DEVICENAME without quotes, as its package has it.
vpcd_reader() {
    mkdir -p "$work/$1/conf" "$work/$1/run"
    printf 'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:0x%X\nLIBPATH %s\nCHANNELID 0x%X\n\n' "$2" "$vpcd" "$2" \
        >>"$work/$1/conf/readers"
}

# A pcscd with these readers, in a mount namespace where /run/pcscd is its own.
start() {
    local as=(unshare --mount)
    [ "$(id -u)" = 0 ] || as=(unshare --user --map-root-user --mount)
    "${as[@]}" sh -c '
        mount --bind "$1/run" /run/pcscd 2>/dev/null || {
            mount -t tmpfs none /run && mkdir /run/pcscd && mount --bind "$1/run" /run/pcscd
        } || exit 98
        exec pcscd --foreground --error --config "$1/conf"' sh "$work/$1" >"$work/$1/log" 2>&1 &
    pids+=($!)
    for _ in $(seq 400); do
        [ ! -S "$work/$1/run/pcscd.comm" ] || return
        sleep 0.025
    done
    echo 'bench pcsc: pcscd did not start' >&2
    cat "$work/$1/log" >&2
    exit 1
}

port=$((20000 + $$ % 10000))
for number in $(seq 16); do
    reader idle_ours "smartcrd $number" 'vreader:echo' "$handler" "$number"
    reader idle_nothing "nothing $number" 'nothing:' "$nothing" "$number"
done
vpcd_reader idle_vpcd $((port + 4))
reader all 'smartcrd 1' 'vreader:echo' "$handler" 1
reader all 'smartcrd 2' "vpcd:port=$port" "$handler" 2
reader all 'nothing' 'nothing:' "$nothing" 3
vpcd_reader all $((port + 2))
for name in all idle_ours idle_nothing idle_vpcd; do
    start $name
done
PCSCLITE_CSOCK_NAME=$work/all/run/pcscd.comm "$here/pcsc" "${pids[0]}" "$port" $((port + 2)) "${pids[@]:1}"
