#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The PC/SC part as it is installed: the bundle, the sample of reader.conf, the commands; and pcscd with them.
#
# usage: installed.sh BUILD_FOLDER PREFIX
. "$(dirname "$0")/clients_support.inc"
need opensc-tool opensc
need meson meson
build=$1 prefix=$2

# Install below a staging folder, once for all tests here.
if [ -z "$inside" ]; then
    DESTDIR=$work/root meson install -C "$build" --no-rebuild --quiet >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
fi
root=$work/root
bundle=$(find "$root" -type d -name ifd-smartcrd.bundle)
handler=$bundle/Contents/Linux/libifdsmartcrd.so
bin=$root$prefix/bin

# What the build tree has beside it must not help.
as_installed() {
    PATH=$bin:$PATH SMARTCRD_IFD_HANDLER=$handler "$@"
}

the_bundle_names_its_library() {
    [ -r "$handler" ] || fail 'there is no handler in the bundle'
    grep -A 1 '<key>CFBundleExecutable</key>' "$bundle/Contents/Info.plist" >out
    says out '<string>libifdsmartcrd.so</string>'
    # No readers on USB, so pcscd has nothing to find by it.
    tr -d ' \t\n' <"$bundle/Contents/Info.plist" >out
    says out '<key>ifdVendorID</key><array></array>' '<key>ifdProductID</key><array></array>'
    ! grep -q '@' "$bundle/Contents/Info.plist" || fail 'something was not filled in'
}

the_handler_exports_its_entry_points_alone() {
    nm -D --defined-only "$handler" | awk '{ print $3 }' | sort >out
    same 'IFDHCloseChannel
IFDHControl
IFDHCreateChannel
IFDHCreateChannelByName
IFDHGetCapabilities
IFDHICCPresence
IFDHPowerICC
IFDHSetCapabilities
IFDHSetProtocolParameters
IFDHTransmitToICC' "$(cat out)"
}

the_handler_finds_its_library_by_itself() {
    # The linker's folders do not have it here, and pcscd has no LD_LIBRARY_PATH.
    ldd "$handler" >out
    grep -q "libsmartcrd[.]so[.]0 => .*$root" out || { cat out; fail 'it does not find the library it was installed with'; }
}

the_command_and_the_sample_name_the_handler() {
    says "$bin/smartcrd-pcscd" "handler=${handler#"$root"}"
    says "$(find "$root" -path '*doc/smartcrd/reader.conf')" "LIBPATH      ${handler#"$root"}"
}

the_header_is_there() {
    [ -r "$(find "$root" -path '*include/smartcrd/pcsc.h')" ] || fail 'there is no pcsc.h'
}

the_installed_command_starts_pcscd() {
    as_installed ends 0 "$bin/smartcrd-pcscd" --card echo -- opensc-tool -a
    says out '3b:94:95:c0:02:31:fe:15:65:63:68:6f:18'
}

the_installed_tool_asks_the_reader() {
    LD_LIBRARY_PATH=$(dirname "$(find "$root" -name libsmartcrd.so)") as_installed ends 0 \
        "$bin/smartcrd-pcscd" --card echo -- "$bin/smartcrd-pcsc" status
    says out 'card=echo'
}

pcscd_takes_the_sample_and_the_bundle() {
    # pcscd as a system has it, with our folders in place of its own, in a namespace of its own. Where there is none to be
    # had, it looks for bundles in its own folder: only the sample is tried.
    mkdir -p conf run drivers
    cp -R "$bundle" drivers
    sed "s|LIBPATH .*|LIBPATH $handler|" "$(find "$root" -path '*doc/smartcrd/reader.conf')" >conf/smartcrd
    cat >start <<'TEXT'
mount --bind drivers "$1" && mount --bind run /run/pcscd && exec pcscd --foreground --debug --config "$2"
TEXT
    as=(unshare --mount)
    [ "$(id -u)" = 0 ] || as=(unshare --user --map-root-user --mount)
    if "${as[@]}" mount -t tmpfs none /run; then
        as+=(sh start "$(pkg-config --variable=usbdropdir libpcsclite)" "$work/conf")
    else
        as=(smartcrd-pcscd-listen run/pcscd.comm pcscd --foreground --debug --config "$work/conf")
    fi
    "${as[@]}" >pcscd.log 2>&1 &
    # shellcheck disable=SC2064
    trap "kill $! 2>/dev/null || true" EXIT
    soon pcscd.log 'daemon ready'
    PCSCLITE_CSOCK_NAME=$work/run/pcscd.comm ends 0 smartcrd-pcsc list
    same '0  smartcrd virtual reader 00 00' "$(cat out)"
    PCSCLITE_CSOCK_NAME=$work/run/pcscd.comm ends 0 opensc-tool -a
    says out '3b:95:95:c0:02:31:fe:15:80:73:b6:21:40:3c'
    ! grep -iE 'plist|bundle.*(error|not)' pcscd.log | grep -v 'No bundle files' || fail 'pcscd complains about the bundle'
}

run the_bundle_names_its_library
run the_handler_exports_its_entry_points_alone
run the_handler_finds_its_library_by_itself
run the_command_and_the_sample_name_the_handler
run the_header_is_there
run the_installed_command_starts_pcscd
run the_installed_tool_asks_the_reader
run pcscd_takes_the_sample_and_the_bundle
finish
