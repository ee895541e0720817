#!/bin/sh
# SPDX-License-Identifier: MIT
# A driver that uses every name of names.txt: that it does, and that it compiles, free and checked, as C11 and as GNU C,
# under each include spelling; for Windows against mingw-w64's own kernel headers, linked into an image.
#
#   names.sh COMPILER SOURCE_ROOT
#
# COMPILER: gcc, clang, or x86_64-w64-mingw32-gcc.
# Exit code 77 (skipped) when the compiler is missing.
compiler=$1 root=$2
here=$root/tests/names
flags="-Wall -Wextra -Wconversion -Wshadow -Wvla -Werror -Wno-multichar"
flags="$flags -I$root/include/driver -I$root/include"
log=$(mktemp) && work=$(mktemp -d) || exit 1
trap 'rm -rf "$log" "$work"' EXIT
failed=0

command -v "$compiler" >/dev/null || { echo "skipped: no $compiler"; exit 77; }
sources="$here/wire.c $here/callbacks.c $here/device.c $here/spellings.c"
case $compiler in
*mingw32*) flags="$flags -ffreestanding -fno-builtin -mno-red-zone" ;;
*) sources="$sources $here/model.c" ;;
esac

failed() {
    echo "FAILED: $1"
    failed=1
}

# Every name occurs, comments apart.
for source in "$here"/*.[ch]; do
    gcc -fpreprocessed -dD -E -P "$source" 2>/dev/null
done >"$work/code"
[ "$(wc -l <"$work/code")" -gt 300 ] || failed "the sources without comments are not there"
count=0
while IFS= read -r name; do
    case $name in '' | '#'*) continue ;; esac
    count=$((count + 1))
    pattern=$(printf '%s' "$name" | sed 's/[.[\*^$]/\\&/g')
    case $name in
    '<'*) ;;
    *"'"*) ;;
    *) pattern="\\(^\\|[^A-Za-z0-9_]\\)$pattern\\([^A-Za-z0-9_]\\|\$\\)" ;;
    esac
    grep -q -- "$pattern" "$work/code" || failed "$name is used nowhere"
done <"$here/names.txt"
[ "$count" -gt 150 ] || failed "names.txt has $count names only"

for build in "" "-DDBG=1 -DDEBUG=1" "-DDBG=0"; do
    for standard in c11 gnu11; do
        [ "$standard" = gnu11 ] || [ "$build" != "-DDBG=0" ] || continue
        for source in $sources; do
            # shellcheck disable=SC2086
            if ! "$compiler" -std=$standard -O2 $flags $build -c -o "$work/$(basename "$source").o" "$source" 2>"$log"; then
                failed "$(basename "$source") with -std=$standard $build"
                cat "$log"
            fi
        done
    done
done

case $compiler in
*mingw32*)
    "${compiler%gcc}dlltool" -d "$root/windows/smclib.def" -l "$work/libsmclib.a" || failed "the import library"
    "$compiler" -nostdlib -shared -Wl,--subsystem,native -Wl,--entry,DriverEntry -o "$work/names.sys" "$work"/*.o \
        "$work/libsmclib.a" -lntoskrnl -lhal 2>"$log" || { failed "the image"; cat "$log"; }
    "${compiler%gcc}objdump" -p "$work/names.sys" | sed -n 's/.*DLL Name: //p' | tr '[:upper:]' '[:lower:]' | sort |
        tr '\n' ' ' >"$work/imports"
    [ "$(cat "$work/imports")" = "hal.dll ntoskrnl.exe smclib.sys " ] || failed "it imports from $(cat "$work/imports")"
    ;;
esac

[ "$failed" = 0 ] && echo "$count names are used, and all compiled"
exit "$failed"
