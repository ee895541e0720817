#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What smartcrd's users have after it is installed, and nothing else: the example driver builds with its own Makefile
# against pkg-config smartcrd-driver, a program against pkg-config smartcrd, and the installed command talks to the
# driver. Checks also which names the library exports, and that its header is C++ too.
#
# usage: installed.sh BUILD_FOLDER WORK_FOLDER
set -euo pipefail
export LC_ALL=C

[ $# -eq 2 ] || { echo "usage: $0 BUILD_FOLDER WORK_FOLDER" >&2; exit 2; }
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
rm -rf "$2"
mkdir -p "$2"
work=$(cd "$2" && pwd)

say() { printf '%s\n' "== $*"; }
die() { printf 'installed.sh: %s\n' "$*" >&2; exit 1; }

say 'install'
DESTDIR=$work/root meson install -C "$build" --no-rebuild --quiet
pc=$(find "$work/root" -name smartcrd.pc -print -quit)
[ -n "$pc" ] || die 'smartcrd.pc was not installed'
PKG_CONFIG_LIBDIR=$(dirname "$pc")
# Only what we installed is visible, below the staging folder.
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR=$work/root PKG_CONFIG_PATH=
command=$(find "$work/root" -type f -name smartcrd -perm -u+x -print -quit)
[ -n "$command" ] || die 'the command was not installed'
library=$(find "$work/root" -name 'libsmartcrd.so' -print -quit)
[ -n "$library" ] || die 'libsmartcrd.so was not installed'
LD_LIBRARY_PATH=$(dirname "$library")
export LD_LIBRARY_PATH

say 'pkg-config knows both'
[ "$(pkg-config --modversion smartcrd)" = "$(pkg-config --modversion smartcrd-driver)" ] || die 'versions differ'

say 'the example driver, with its own Makefile, outside the tree'
cp -R "$top/examples/driver" "$work/driver"
make -C "$work/driver" clean >/dev/null 2>&1 || true
make -C "$work/driver"
[ -f "$work/driver/example.so" ] || die 'no example.so'
nm -D --defined-only "$work/driver/example.so" | grep -q ' T DriverEntry$' || die 'example.so exports no DriverEntry'

say 'a program'
cat >"$work/program.c" <<'C'
#include <smartcrd/smartcrd.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct smartcrd *context = NULL;
    struct smartcrd_handle *reader = NULL;
    struct smartcrd_reader_info info;
    unsigned char atr[33];
    size_t size = sizeof(atr);
    char error[256] = "";
    NTSTATUS last = STATUS_PENDING, status = smartcrd_create(NULL, &context);

    if (status == STATUS_SUCCESS)
        status = smartcrd_load_driver(context, argc > 1 ? argv[1] : "vreader", error, sizeof(error));
    if (status == STATUS_SUCCESS && smartcrd_list(context, &info, 1) == 1)
        status = smartcrd_open(context, info.name, &reader);
    if (reader != NULL)
        status = smartcrd_power(reader, SCARD_COLD_RESET, atr, &size, 5000);
    if (reader != NULL)
        smartcrd_last_error(reader, &last);
    printf("%s%s %s, an ATR of %zu bytes, last error %s\n", error, info.name, smartcrd_status_name(status), size,
           smartcrd_status_name(last));
    smartcrd_close(reader);
    smartcrd_destroy(context);
    return status == STATUS_SUCCESS && last == STATUS_SUCCESS ? 0 : 1;
}
C
# shellcheck disable=SC2046
cc -std=c11 -Wall -Wextra -Werror -pedantic -o "$work/program" "$work/program.c" $(pkg-config --cflags --libs smartcrd)
"$work/program" "$work/driver/example.so"

say 'the command with the example driver: the toy card answers'
"$command" --driver "$work/driver/example.so" power , protocol , send --tpdu 00A4000002 , last-error >"$work/answer" 2>&1 ||
    { cat "$work/answer"; die 'the command failed'; }
cat "$work/answer"
grep -q 'STATUS_SUCCESS' "$work/answer" || die 'the last error is not STATUS_SUCCESS'
grep -qi '90 \?00' "$work/answer" || die 'the toy card did not answer 90 00'

say 'the names that the library exports'
# Ours, Microsoft's library's and the kernel's: those that an installed header declares, and nothing else.
nm -D --defined-only --format=posix "$library" | sed 's/[ @].*//' | grep -vE '^SMARTCRD_[0-9.]+$' | sort -u >"$work/exported"
find "$work/root" -name '*.h' -exec grep -ohE '[A-Za-z_][A-Za-z0-9_]*' {} + | sort -u >"$work/declared"
unexpected=$(comm -23 "$work/exported" "$work/declared")
[ -z "$unexpected" ] || die "exported, but in no header: $(echo "$unexpected" | tr '\n' ' ')"
for name in smartcrd_create smartcrd_control smartcrd_submit smartcrd_reap smartcrd_cancel smartcrd_journal \
    SmartcardDeviceControl SmartcardInitialize SmartcardT1Request IoCompleteRequest KeSetTimer host_step; do
    grep -qx "$name" "$work/exported" || die "$name is not exported"
done
# Every routine that the headers promise to drivers is there.
sed -nE 's/^(NTSTATUS|VOID|ULONG) (Smartcard[A-Za-z0-9]+)\(.*/\2/p' "$(find "$work/root" -path '*smartcrd/smclib.h' -print -quit)" |
    sort -u >"$work/promised"
[ "$(wc -l <"$work/promised")" -ge 21 ] || die 'smclib.h declares fewer than 21 routines'
missing=$(comm -23 "$work/promised" "$work/exported")
[ -z "$missing" ] || die "smclib.h declares what the library lacks: $missing"

say 'as C++'
if command -v c++ >/dev/null; then
    for header in smartcrd winsmcrd vreader; do
        printf '#include <smartcrd/%s.h>\nint main() { return 0; }\n' "$header" >"$work/$header.cc"
        # shellcheck disable=SC2046
        c++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only "$work/$header.cc" $(pkg-config --cflags smartcrd)
    done
else
    say 'no C++ compiler here: not tried'
fi
say 'all good'
