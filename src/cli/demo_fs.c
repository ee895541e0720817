/* SPDX-License-Identifier: MIT */
/* What the file system card can do: a name, a record, and a file behind a PIN (ISO/IEC 7816-4). */
#include "demo.h"

void demo_fs(struct demo *demo)
{
    static const uint8_t select[] = {0x00, 0xA4, 0x04, 0x00, 0x0A, 0xF0, 's',  'm',
                                     'a',  'r',  't',  'c',  'r',  'd',  0x01, 0x00};
    static const uint8_t read_name[] = {0x00, 0xB0, 0x81, 0x00, 0x00};
    static const uint8_t read_record[] = {0x00, 0xB2, 0x02, 0x14, 0x00};
    static const uint8_t read_secret[] = {0x00, 0xB0, 0x84, 0x00, 0x0E};
    static const uint8_t verify[] = {0x00, 0x20, 0x00, 0x01, 0x04, '1', '2', '3', '4'};

    demo_chapter(demo, "Talk to it", "Command APDUs go down, answers come back; SW 9000 is the card's \"fine\".");
    demo_apdu(demo, "SELECT", select, sizeof select, 0x9000);
    demo_apdu(demo, "READ BINARY", read_name, sizeof read_name, 0x9000);
    demo_apdu(demo, "READ RECORD", read_record, sizeof read_record, 0x9000);
    demo_apdu(demo, "READ BINARY", read_secret, sizeof read_secret, 0x6982);
    demo_apdu(demo, "VERIFY", verify, sizeof verify, 0x9000);
    demo_apdu(demo, "READ BINARY", read_secret, sizeof read_secret, 0x9000);
}
