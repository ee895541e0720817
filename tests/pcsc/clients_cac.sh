#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# OpenSC with libcacard's CAC card: certificates, the PIN, signatures that openssl verifies.
. "$(dirname "$0")/clients_support.inc"
need pkcs15-tool opensc
need pkcs11-tool opensc
need certutil libnss3-tools
need openssl openssl
[ -r "$SMARTCRD_CARD_PATH/smartcrd-card-cac.so" ] || skip 'the cac card was not built (Debian: libcacard-dev)'
if [ -z "$inside" ]; then
    "$SMARTCRD_E2E/cac-db.sh" "$work/db" 1234 || fail 'no certificates'
fi

pkcs15_tool_lists_certificates_and_keys() {
    ends 0 opensc-tool -n
    says out 'Common Access Card (CAC)'
    ends 0 pkcs15-tool --list-certificates
    says out 'X.509 Certificate [CAC ID Certificate]' 'X.509 Certificate [CAC Email Signature Certificate]' \
        'X.509 Certificate [CAC Email Encryption Certificate]'
    ends 0 pkcs15-tool --list-keys
    says out 'Private RSA Key [CAC ID Certificate]' 'ModLength      : 2048'
}

pkcs15_tool_reads_a_certificate() {
    ends 0 pkcs15-tool --read-certificate 0002 -o certificate.pem
    same 'subject=CN = smartcrd test 2' "$(openssl x509 -in certificate.pem -noout -subject)"
    # Self-signed: its signature is right only if every byte is.
    openssl verify -check_ss_sig -CAfile certificate.pem certificate.pem
}

pkcs15_tool_checks_the_pin() {
    ends 0 pkcs15-tool --verify-pin --pin 1234
    ends 255 pkcs15-tool --verify-pin --pin 4321
}

pkcs11_tool_lists_objects() {
    ends 0 pkcs11-tool --list-objects
    says out 'subject:    DN: CN=smartcrd test 1' 'subject:    DN: CN=smartcrd test 2' 'subject:    DN: CN=smartcrd test 3' \
        'Public Key Object; RSA 2048 bits'
    ends 0 pkcs11-tool --list-slots
    says out 'Slot 0 (0x0): smartcrd 1 00 00' 'token label        : smartcrd test 1' 'PIN initialized'
}

pkcs11_tool_signs_and_openssl_verifies() {
    local mechanism
    echo 'what is signed' >message
    openssl dgst -sha256 -binary message >digest
    # The DigestInfo of SHA-256 before the hash, for the mechanism that signs what it is given.
    { printf '\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20' && cat digest; } >info
    pkcs11-tool --read-object --type cert --id 0001 -o certificate.der
    openssl x509 -inform DER -in certificate.der -noout -pubkey >key.pem
    for mechanism in SHA256-RSA-PKCS:message RSA-PKCS:info; do
        ends 0 pkcs11-tool --login --pin 1234 --sign --id 0001 --mechanism "${mechanism%:*}" -i "${mechanism#*:}" -o signature
        same 'Verified OK' "$(openssl dgst -sha256 -verify key.pem -signature signature message)"
    done
    # Another text has another signature.
    echo 'what is not' >message
    same 'Verification failure' "$(openssl dgst -sha256 -verify key.pem -signature signature message 2>/dev/null)"
}

pkcs11_tool_decrypts_what_openssl_encrypts() {
    echo 'a secret' >secret
    pkcs11-tool --read-object --type cert --id 0003 -o certificate.der
    openssl x509 -inform DER -in certificate.der -noout -pubkey >key.pem
    openssl pkeyutl -encrypt -pubin -inkey key.pem -in secret -out encrypted
    ends 0 pkcs11-tool --login --pin 1234 --decrypt --id 0003 --mechanism RSA-PKCS -i encrypted -o decrypted
    same 'a secret' "$(cat decrypted)"
}

pkcs11_tool_test_finds_nothing_wrong() {
    # The card has no random numbers; that is the one error, and it counts as one.
    ends 0 pkcs11-tool --login --pin 1234 --test
    says out 'all 4 signature functions seem to work' 'SHA256-RSA-PKCS: OK' 'testing key 2 (CAC Email Encryption Certificate)'
    same '1 errors' "$(tail -n 1 out)"
    same '  ERR: C_GenerateRandom failed: CKR_GENERAL_ERROR (0x5)' "$(grep ERR out)"
    ! grep -i 'fail' out | grep -v C_GenerateRandom || fail 'something else has failed'
}

a_wrong_pin_does_not_sign() {
    echo 'what is signed' >message
    ends 1 pkcs11-tool --login --pin 4321 --sign --id 0001 --mechanism SHA256-RSA-PKCS -i message -o nothing
    says out 'C_Login failed'
    [ ! -s nothing ] || fail 'it has signed'
}

for name in pkcs15_tool_lists_certificates_and_keys pkcs15_tool_reads_a_certificate pkcs15_tool_checks_the_pin \
    pkcs11_tool_lists_objects pkcs11_tool_signs_and_openssl_verifies pkcs11_tool_decrypts_what_openssl_encrypts \
    pkcs11_tool_test_finds_nothing_wrong a_wrong_pin_does_not_sign; do
    run $name --card "cac db=$work/db"
done
finish
