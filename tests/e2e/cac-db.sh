#!/bin/sh
# SPDX-License-Identifier: MIT
# Make an NSS certificate database for libcacard's CAC card: three RSA 2048 keys with self-signed certificates, cert1 to
# cert3, for both signing and decrypting. Does nothing when it is there already. Needs certutil (Debian: libnss3-tools).
#
# usage: cac-db.sh FOLDER [PIN]     the PIN has 4 to 8 characters; without one, any PIN opens the card
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ] || [ -z "$1" ]; then
    echo "usage: $0 FOLDER [PIN]" >&2
    exit 2
fi
folder=$1 pin=${2:-}
case ${#pin} in 0 | [4-8]) ;; *) echo "$0: a PIN has 4 to 8 characters" >&2; exit 2 ;; esac
command -v certutil >/dev/null || { echo "$0: certutil is missing (Debian: libnss3-tools)" >&2; exit 77; }
[ -f "$folder/cert9.db" ] && exit 0

# Built aside and moved into place, so that a database that is there is whole.
mkdir -p "$(dirname "$folder")"
new=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$new"' EXIT
printf '%s\n' "$pin" >"$new/pin"
head -c 2048 /dev/urandom >"$new/noise"
certutil -N -d "sql:$new" -f "$new/pin" >"$new/log" 2>&1 || { cat "$new/log" >&2; exit 1; }
for n in 1 2 3; do
    certutil -S -d "sql:$new" -f "$new/pin" -x -n "cert$n" -s "CN=smartcrd test $n" -t CTu,CTu,CTu -v 120 -m "$n" \
        -k rsa -g 2048 -Z SHA256 -z "$new/noise" >"$new/log" 2>&1 || { cat "$new/log" >&2; exit 1; }
done
rm -f "$new/pin" "$new/noise" "$new/log"
if ! mv -T "$new" "$folder" 2>/dev/null; then
    # The folder is there: empty or another run's.
    [ -f "$folder/cert9.db" ] || mv "$new"/* "$folder"
fi
