#!/bin/sh
# SPDX-License-Identifier: MIT
# The engines need nobody: compiled without a C library, at every optimisation, their objects call each other alone, and
# the four functions that compilers may put in by themselves; and they have no writable data.
#
#   freestanding.sh COMPILER SOURCE_ROOT
#
# Exit code 77 (skipped) when the compiler is missing.
compiler=$1 root=$2
flags='-std=c11 -ffreestanding -fno-pic -fno-pie' # tables of pointers are read-only then
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
command -v "$compiler" >/dev/null || { echo "skipped: no $compiler"; exit 77; }

# Prints what is wrong with the objects in $dir; nothing when they are as they should be.
faults() {
    nm -A "$dir"/*.o >"$dir/symbols" || { echo "nm failed"; return; }
    awk '$(NF - 1) ~ /^[BbCDd]$/ { print "writable data: " $0 }' "$dir/symbols"
    awk '$(NF - 1) ~ /^[TRV]$/ { has[$NF] = 1 }
         $(NF - 1) == "U" { wants[$NF] = 1 }
         END { for (name in wants) if (!(name in has)) print name }' "$dir/symbols" |
        grep -vxE 'mem(cpy|move|set|cmp)' | sed 's/^/not theirs: /'
}

for level in -O0 -O1 -O2 -O3 -Os; do
    rm -f "$dir"/*.o
    for file in "$root"/src/iso7816/*.c; do
        # shellcheck disable=SC2086
        "$compiler" $flags $level -c "$file" -o "$dir/$(basename "$file" .c).o" || exit 1
    done
    found=$(faults)
    [ -z "$found" ] || { printf '%s\n%s\n' "$level:" "$found"; exit 1; }
done

# The check itself can fail.
# shellcheck disable=SC2086
printf 'int counter = 1;\nextern int puts(const char *text);\nint f(void);\nint f(void) { return puts("x") + counter++; }\n' |
    "$compiler" $flags -c -x c - -o "$dir/bad.o" || exit 1
found=$(faults)
case $found in
*'writable data'*counter*'not theirs: puts'*) ;;
*) echo "a bad object passes: $found"; exit 1 ;;
esac
echo "no symbol of others, no writable data"
