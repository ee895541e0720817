#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The demonstration with libcacard's card: makes its certificate database once, runs `smartcrd demo --card cac`, and has
# openssl verify the signature that the card made with the certificate that it gave. Called by ./run demo --card cac.
#
# usage: cac-demo.sh SMARTCRD WORK_FOLDER
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: $0 SMARTCRD WORK_FOLDER" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
smartcrd=$(realpath "$1")
mkdir -p "$2"
work=$(cd "$2" && pwd)
pin=1234

# Beside a command in its build folder is the build folder's card module.
module=$(dirname "$smartcrd")/../cards/cac
if [ -z "${SMARTCRD_CARD_PATH:-}" ] && [ -d "$module" ]; then
    SMARTCRD_CARD_PATH=$(realpath "$module")
    export SMARTCRD_CARD_PATH
fi

"$here/cac-db.sh" "$work/db" "$pin"
rm -rf "$work/out"
mkdir "$work/out"
"$smartcrd" demo --card cac --db "$work/db" --pin "$pin" --out "$work/out"

cd "$work/out"
openssl x509 -inform DER -in certificate.der -pubkey -noout >key.pem
if ! openssl dgst -sha256 -verify key.pem -signature signature.bin message.txt >verdict 2>&1; then
    cat verdict >&2
    echo "openssl does not accept the card's signature" >&2
    exit 1
fi
subject=$(openssl x509 -inform DER -in certificate.der -noout -subject)
printf '\nopenssl verifies the signature with the certificate of %s: %s\n' "${subject#subject=}" "$(cat verdict)"
