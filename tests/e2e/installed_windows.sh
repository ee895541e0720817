#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a Windows build installs, and that it is enough: the files, and the example driver and a driver that uses every name
# of names.txt, built outside the tree against the installed headers and import library alone. Running them under Wine is
# porting.sh's and windows/wine's.
#
# usage: installed_windows.sh BUILD_FOLDER WORK_FOLDER        (BUILD_FOLDER: of --cross-file windows/mingw64.txt)
set -euo pipefail
export LC_ALL=C

[ $# -eq 2 ] || { echo "usage: $0 BUILD_FOLDER WORK_FOLDER" >&2; exit 2; }
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
rm -rf "$2"
mkdir -p "$2"
work=$(cd "$2" && pwd)

say() { printf '%s\n' "== $*"; }
die() { printf 'installed_windows.sh: %s\n' "$*" >&2; exit 1; }
imports() { x86_64-w64-mingw32-objdump -p "$1" | sed -n 's/.*DLL Name: //p' | tr '[:upper:]' '[:lower:]' | sort | tr '\n' ' '; }

say 'install'
DESTDIR=$work/root meson install -C "$build" --no-rebuild --quiet
drivers=$(find "$work/root" -type d -name drivers -print -quit)
[ -n "$drivers" ] || die 'there is no folder drivers'
prefix=$(dirname "$drivers")

say 'what is there'
(cd "$prefix" && find drivers lib -type f | sort) >"$work/files"
cat >"$work/expected" <<'TEXT'
drivers/INSTALL.txt
drivers/conform.exe
drivers/smclib.sys
drivers/vreader-setup.exe
drivers/vreader.inf
drivers/vreader.sys
lib/libsmclib.a
lib/pkgconfig/smartcrd-driver-windows.pc
TEXT
diff -u "$work/expected" "$work/files" || die 'other files than expected'
(cd "$top/include/smartcrd" && find . -name '*.h' | sort) >"$work/expected"
(cd "$prefix/include/smartcrd" && find . -type f | sort) | diff -u "$work/expected" - || die 'other headers than expected'
for header in wdm.h ntddk.h devioctl.h smclib.h smcnt.h winsmcrd.h SMCLIB.H DEVIOCTL.H; do
    [ -f "$prefix/include/smartcrd-driver/$header" ] || die "smartcrd-driver/$header is missing"
done
while read -r name; do
    grep -q "$name" "$prefix/drivers/INSTALL.txt" || die "INSTALL.txt does not say what $name is"
done < <(cd "$prefix/drivers" && find . -type f ! -name INSTALL.txt -printf "%f\n")
while read -r program verb; do
    grep -qa "$program $verb" "$drivers/vreader-setup.exe" || die "INSTALL.txt says $program $verb, which does not exist"
done < <(grep -oE 'vreader-setup [a-z-]+' "$prefix/drivers/INSTALL.txt")

say 'programs need nothing that a bare Windows lacks'
for program in conform vreader-setup; do
    for library in $(imports "$drivers/$program.exe"); do
        case $library in
        kernel32.dll | msvcrt.dll | ntdll.dll | advapi32.dll | setupapi.dll | newdev.dll | cfgmgr32.dll) ;;
        *) die "$program.exe needs $library" ;;
        esac
    done
done

say 'the example driver, with its own Makefile, outside the tree'
export PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/root PKG_CONFIG_PATH=
cp -R "$top/examples/driver" "$work/driver"
make -C "$work/driver" windows
[ "$(imports "$work/driver/example.sys")" = 'ntoskrnl.exe smclib.sys ' ] || die "example.sys imports from $(imports "$work/driver/example.sys")"

say 'a driver that uses every name'
cp -R "$top/tests/names" "$work/names"
# shellcheck disable=SC2046
(cd "$work/names" && x86_64-w64-mingw32-gcc -std=gnu11 -O2 -Wall -Wextra -Wno-multichar -Werror \
    $(pkg-config --cflags smartcrd-driver-windows) -o names.sys callbacks.c device.c wire.c spellings.c \
    $(pkg-config --libs smartcrd-driver-windows))
[ "$(imports "$work/names/names.sys")" = 'hal.dll ntoskrnl.exe smclib.sys ' ] || die "names.sys imports from $(imports "$work/names/names.sys")"
say 'all good'
