/* SPDX-License-Identifier: MIT */
/*
 * What libcacard's card can do: give its certificate, check a PIN, sign. The card's applet answers READ BUFFER (80 52)
 * with a buffer of tags and lengths and one of values, each behind its own length of two bytes, least byte first.
 */
#include "demo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define TAG_CERTIFICATE 0x70
#define CHUNK           250
#define SIGNATURE       256 /* RSA 2048 */

static const char message[] = "A card signed this, and smartcrd carried it.\n";

/* The block of PKCS #1 v1.5 (RFC 8017, 9.2) ends in this: DigestInfo of SHA-256, and the hash of the message. */
static const uint8_t digest_info[] = {
    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20, 0x99, 0x18, 0x05, 0x96, 0x66, 0xCF, 0x7D, 0xA0, 0x74, 0xF0, 0xD4, 0x92, 0xAF, 0xA6, 0xDA,
    0x5C, 0x3F, 0x9C, 0x35, 0x9D, 0x5B, 0xD8, 0xF2, 0x6D, 0x63, 0x10, 0xF4, 0x71, 0xF8, 0x62, 0x32, 0xC5,
};

/* Read one buffer whole; *size receives its length without the two bytes in front. Free it. */
static uint8_t *read_buffer(struct demo *demo, uint8_t kind, size_t *size)
{
    uint8_t command[] = {0x80, 0x52, 0x00, 0x00, 0x02, kind, 2, 0x00};
    uint8_t *bytes = NULL;
    size_t total, at = 0;
    if (demo_quiet_apdu(demo, "READ BUFFER", command, sizeof command, 0x9000) != 2)
        return NULL;
    total = (size_t)demo->reply[0] | (size_t)demo->reply[1] << 8;
    bytes = malloc(total ? total : 1);
    while (bytes && at < total) {
        size_t part = total - at < CHUNK ? total - at : CHUNK, got;
        command[2] = (uint8_t)((at + 2) >> 8);
        command[3] = (uint8_t)(at + 2);
        command[6] = (uint8_t)part;
        got = demo_quiet_apdu(demo, "READ BUFFER", command, sizeof command, 0x9000);
        if (!demo_expect(demo, got == part, "the card gave fewer bytes than its buffer has")) {
            free(bytes);
            return NULL;
        }
        memcpy(bytes + at, demo->reply, part);
        at += part;
    }
    *size = total;
    return bytes;
}

/* Find the certificate among the values by the tags and lengths (a length of FF is followed by two bytes). */
static bool locate(const uint8_t *tags, size_t count, size_t values, size_t *offset, size_t *size)
{
    size_t sum = 0;
    for (size_t at = 0; count - at >= 2;) {
        uint8_t tag = tags[at];
        size_t length = tags[at + 1];
        at += 2;
        if (length == 0xFF) {
            if (count - at < 2)
                return false;
            length = (size_t)tags[at] | (size_t)tags[at + 1] << 8;
            at += 2;
        }
        if (length > values - sum)
            return false;
        *offset = sum;
        *size = length;
        if (tag == TAG_CERTIFICATE)
            return true;
        sum += length;
    }
    return false;
}

static void write_file(struct demo *demo, const char *name, const void *bytes, size_t size)
{
    char path[4096];
    FILE *file = NULL;
    bool good;
    int fd;
    if (!demo->out || snprintf(path, sizeof path, "%s/%s", demo->out, name) >= (int)sizeof path)
        return;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0)
        file = fdopen(fd, "w");
    good = file && fwrite(bytes, 1, size, file) == size;
    if (file && fclose(file) != 0)
        good = false;
    if (demo_expect(demo, good, "%s: %s", path, strerror(errno)))
        demo_line(demo, "written", "%s", path);
}

static void certificate(struct demo *demo)
{
    uint8_t *tags, *values = NULL;
    size_t tags_size, values_size, offset = 0, size = 0;
    char hex[48];
    tags = read_buffer(demo, 1, &tags_size);
    if (tags)
        values = read_buffer(demo, 2, &values_size);
    if (tags && values &&
        demo_expect(demo, locate(tags, tags_size, values_size, &offset, &size) && size > 4 && values[offset] == 0x30,
                    "the card's buffers hold no certificate")) {
        demo_line(demo, "certificate", "%zu bytes: %s", size, cli_hex_words(values + offset, size, hex, sizeof hex));
        write_file(demo, "certificate.der", values + offset, size);
    }
    free(tags);
    free(values);
}

static void verify(struct demo *demo)
{
    uint8_t command[5 + 8] = {0x00, 0x20, 0x00, 0x00, 0x08};
    size_t length = strlen(demo->pin);
    memset(command + 5, 0xFF, 8);
    memcpy(command + 5, demo->pin, length < 8 ? length : 8);
    demo_apdu(demo, "VERIFY", command, sizeof command, 0x9000);
    explicit_bzero(command, sizeof command);
}

static void sign(struct demo *demo)
{
    uint8_t block[SIGNATURE], command[5 + 128 + 1];
    size_t padding = SIGNATURE - sizeof digest_info, got;
    uint64_t begin = cli_now_ns();
    char hex[48];

    memset(block, 0xFF, padding);
    block[0] = 0x00;
    block[1] = 0x01;
    block[padding - 1] = 0x00;
    memcpy(block + padding, digest_info, sizeof digest_info);
    demo_line(demo, "SIGN", "an RSA block of %d bytes with the SHA-256 of \"%.*s\"", SIGNATURE,
              (int)strlen(message) - 1, message);
    memcpy(command, (const uint8_t[]){0x80, 0x42, 0x80, 0x00, 128}, 5); /* P1 = 80: more comes */
    memcpy(command + 5, block, 128);
    if (demo_quiet_apdu(demo, "SIGN, first half", command, 5 + 128, 0x9000) == SIZE_MAX)
        return;
    command[2] = 0x00;
    memcpy(command + 5, block + 128, 128);
    command[5 + 128] = 0x00;
    got = demo_quiet_apdu(demo, "SIGN, second half", command, sizeof command, 0x9000);
    if (got == SIZE_MAX ||
        !demo_expect(demo, got == SIGNATURE, "the signature has %zu bytes instead of %d", got, SIGNATURE))
        return;
    demo_line(demo, "signature", "%s in %.1f ms", cli_hex_words(demo->reply, got, hex, sizeof hex),
              (double)(cli_now_ns() - begin) / 1e6);
    write_file(demo, "message.txt", message, strlen(message));
    write_file(demo, "signature.bin", demo->reply, got);
}

void demo_cac(struct demo *demo)
{
    static const uint8_t select[] = {0x00, 0xA4, 0x04, 0x00, 0x07, 0xA0, 0x00, 0x00, 0x00, 0x79, 0x01, 0x00, 0x00};
    demo_chapter(demo, "Talk to it", "libcacard's card has an applet with a key and its certificate.");
    demo_apdu(demo, "SELECT", select, sizeof select, 0x9000);
    certificate(demo);
    verify(demo);
    sign(demo);
    if (!demo->out)
        return;
    demo_line(demo, "check it", "openssl x509 -inform DER -in %s/certificate.der -pubkey -noout > %s/key.pem",
              demo->out, demo->out);
    demo_line(demo, "", "openssl dgst -sha256 -verify %s/key.pem -signature %s/signature.bin %s/message.txt", demo->out,
              demo->out, demo->out);
}
