#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# GnuPG's scdaemon, with a home folder of its own.
. "$(dirname "$0")/clients_support.inc"
need gpg gpg
need gpgconf gpgconf
need gpg-connect-agent gpg-agent
[ -x "$(gpgconf --list-components | sed -n 's/^scdaemon:[^:]*://p')" ] || skip 'scdaemon is not installed (Debian: scdaemon)'

# A home folder; its sockets need a short path.
home() {
    GNUPGHOME=$(mktemp -d /tmp/gpg.XXXXXX)
    export GNUPGHOME
    trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
    printf '%s\n' disable-ccid pcsc-shared 'debug reader' "log-file $work/scd.log" >"$GNUPGHOME/scdaemon.conf"
    rm -f "$work/scd.log"
}

gpg_finds_the_reader() {
    home
    # Readers are listed once one has been opened.
    gpg-connect-agent 'scd serialno' 'scd getinfo reader_list' /bye >out 2>&1
    says out 'D smartcrd 1 00 00'
}

gpg_says_that_the_card_is_no_openpgp_card() {
    home
    ends 2 gpg --batch --card-status
    says out 'gpg: OpenPGP card not available'
    # It has talked to the card: it took its serial number, and looked for each application that it knows.
    says scd.log "detected reader 'smartcrd 1 00 00'" 'no supported card application found'
    ends 0 smartcrd-pcsc journal
    grep -q 'IOCTL_SMARTCARD_TRANSMIT STATUS_SUCCESS' out || { cat out; fail 'it has not talked to the card'; }
    ! grep TRANSMIT out | grep -v STATUS_SUCCESS || fail 'an exchange has failed'
}

gpg_says_that_there_is_no_card() {
    home
    ends 2 gpg --batch --card-status
    says out 'gpg: OpenPGP card not available'
    ends 0 smartcrd-pcsc journal
    ! grep TRANSMIT out || fail 'a command went to no card'
}

run gpg_finds_the_reader --card fs
run gpg_says_that_the_card_is_no_openpgp_card --card fs
run gpg_says_that_there_is_no_card --card ''
finish
