/* SPDX-License-Identifier: MIT */
/* ISO/IEC 7816-4:2013, tables 4, 5 and 6, as rows. What a card means by them in detail is its own affair. */
#include "sw.h"

#include <stdio.h>

/* A row stands for all SW with (sw & mask) == value; the first that fits wins. %u is the part outside the mask. */
static const struct {
    uint16_t value, mask;
    const char *text;
} rows[] = {
    {0x9000, 0xFFFF, "success"},
    {0x6100, 0xFFFF, "success; 256 or more bytes wait for GET RESPONSE"},
    {0x6100, 0xFF00, "success; %u bytes wait for GET RESPONSE"},
    {0x6200, 0xFFFF, "warning, nothing changed"},
    {0x6281, 0xFFFF, "warning: part of the data may be corrupted"},
    {0x6282, 0xFFFF, "warning: end of file or record before Le bytes"},
    {0x6283, 0xFFFF, "warning: the selected file is deactivated"},
    {0x6284, 0xFFFF, "warning: the file control information is not formatted as it should be"},
    {0x6285, 0xFFFF, "warning: the selected file is in termination state"},
    {0x6286, 0xFFFF, "warning: no input from a sensor of the card"},
    {0x6287, 0xFFFF, "warning: a referenced record is deactivated"},
    {0x6200, 0xFF00, "warning, nothing changed (%02Xh)"},
    {0x6300, 0xFFFF, "warning: something changed, or the comparison failed"},
    {0x6381, 0xFFFF, "warning: file filled up by the last write"},
    {0x63C0, 0xFFFF, "wrong, and no try is left"},
    {0x63C1, 0xFFFF, "wrong; 1 try left"},
    {0x63C0, 0xFFF0, "wrong; %u tries left"},
    {0x6300, 0xFF00, "warning, something changed (%02Xh)"},
    {0x6401, 0xFFFF, "error: the card wants an immediate answer"},
    {0x6400, 0xFF00, "execution error, nothing changed (%02Xh)"},
    {0x6581, 0xFFFF, "memory failure"},
    {0x6500, 0xFF00, "execution error, something changed (%02Xh)"},
    {0x6600, 0xFF00, "security-related error (%02Xh)"},
    {0x6700, 0xFFFF, "wrong length"},
    {0x6700, 0xFF00, "wrong length (%02Xh)"},
    {0x6881, 0xFFFF, "logical channel not supported"},
    {0x6882, 0xFFFF, "secure messaging not supported"},
    {0x6883, 0xFFFF, "last command of the chain expected"},
    {0x6884, 0xFFFF, "command chaining not supported"},
    {0x6800, 0xFF00, "a function of CLA is not supported (%02Xh)"},
    {0x6981, 0xFFFF, "the command does not fit the file's structure"},
    {0x6982, 0xFFFF, "security status not satisfied (a PIN, or authentication, is missing)"},
    {0x6983, 0xFFFF, "authentication method blocked"},
    {0x6984, 0xFFFF, "reference data not usable"},
    {0x6985, 0xFFFF, "conditions of use not satisfied"},
    {0x6986, 0xFFFF, "command not allowed: no file is selected"},
    {0x6987, 0xFFFF, "secure messaging data objects are missing"},
    {0x6988, 0xFFFF, "secure messaging data objects are wrong"},
    {0x6900, 0xFF00, "command not allowed (%02Xh)"},
    {0x6A80, 0xFFFF, "wrong data in the command's data field"},
    {0x6A81, 0xFFFF, "function not supported"},
    {0x6A82, 0xFFFF, "file or application not found"},
    {0x6A83, 0xFFFF, "record not found"},
    {0x6A84, 0xFFFF, "not enough memory in the file"},
    {0x6A85, 0xFFFF, "Nc does not fit the TLV structure"},
    {0x6A86, 0xFFFF, "wrong P1 or P2"},
    {0x6A87, 0xFFFF, "Nc does not fit P1 and P2"},
    {0x6A88, 0xFFFF, "referenced data not found"},
    {0x6A89, 0xFFFF, "the file exists already"},
    {0x6A8A, 0xFFFF, "the DF name exists already"},
    {0x6A00, 0xFF00, "wrong parameters P1 P2 (%02Xh)"},
    {0x6B00, 0xFF00, "wrong P1 or P2 (an offset beyond the end, for instance)"},
    {0x6C00, 0xFFFF, "wrong Le; 256 bytes are there"},
    {0x6C00, 0xFF00, "wrong Le; %u bytes are there"},
    {0x6D00, 0xFF00, "instruction not supported"},
    {0x6E00, 0xFF00, "class not supported"},
    {0x6F00, 0xFF00, "no precise diagnosis"},
};

static const struct {
    uint8_t ins;
    const char *name;
} instructions[] = {
    {0x04, "DEACTIVATE FILE"},
    {0x0C, "ERASE RECORD"},
    {0x0E, "ERASE BINARY"},
    {0x0F, "ERASE BINARY"},
    {0x10, "PERFORM SCQL OPERATION"},
    {0x20, "VERIFY"},
    {0x21, "VERIFY"},
    {0x22, "MANAGE SECURITY ENVIRONMENT"},
    {0x24, "CHANGE REFERENCE DATA"},
    {0x25, "CHANGE REFERENCE DATA"},
    {0x26, "DISABLE VERIFICATION REQUIREMENT"},
    {0x28, "ENABLE VERIFICATION REQUIREMENT"},
    {0x2A, "PERFORM SECURITY OPERATION"},
    {0x2B, "PERFORM SECURITY OPERATION"},
    {0x2C, "RESET RETRY COUNTER"},
    {0x2D, "RESET RETRY COUNTER"},
    {0x44, "ACTIVATE FILE"},
    {0x46, "GENERATE ASYMMETRIC KEY PAIR"},
    {0x47, "GENERATE ASYMMETRIC KEY PAIR"},
    {0x70, "MANAGE CHANNEL"},
    {0x82, "EXTERNAL AUTHENTICATE"},
    {0x84, "GET CHALLENGE"},
    {0x86, "GENERAL AUTHENTICATE"},
    {0x87, "GENERAL AUTHENTICATE"},
    {0x88, "INTERNAL AUTHENTICATE"},
    {0xA0, "SEARCH BINARY"},
    {0xA1, "SEARCH BINARY"},
    {0xA2, "SEARCH RECORD"},
    {0xA4, "SELECT"},
    {0xB0, "READ BINARY"},
    {0xB1, "READ BINARY"},
    {0xB2, "READ RECORD"},
    {0xB3, "READ RECORD"},
    {0xC0, "GET RESPONSE"},
    {0xC2, "ENVELOPE"},
    {0xC3, "ENVELOPE"},
    {0xCA, "GET DATA"},
    {0xCB, "GET DATA"},
    {0xD0, "WRITE BINARY"},
    {0xD1, "WRITE BINARY"},
    {0xD2, "WRITE RECORD"},
    {0xD6, "UPDATE BINARY"},
    {0xD7, "UPDATE BINARY"},
    {0xDA, "PUT DATA"},
    {0xDB, "PUT DATA"},
    {0xDC, "UPDATE RECORD"},
    {0xDD, "UPDATE RECORD"},
    {0xE0, "CREATE FILE"},
    {0xE2, "APPEND RECORD"},
    {0xE4, "DELETE FILE"},
    {0xE6, "TERMINATE DF"},
    {0xE8, "TERMINATE EF"},
    {0xFE, "TERMINATE CARD USAGE"},
};

const char *sw_text(uint8_t sw1, uint8_t sw2, char *text, size_t size)
{
    unsigned sw = (unsigned)sw1 << 8 | sw2;
    snprintf(text, size, "%s",
             (sw1 & 0xF0) == 0x90 ? "meaning is the card's own" : "not a status that ISO/IEC 7816-4 allows");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *part = rows[i].text;
        unsigned rest = sw & (unsigned)~rows[i].mask;
        if ((sw & rows[i].mask) != rows[i].value)
            continue;
        /* A row has at most one conversion, %u or %02X. */
        for (; *part && *part != '%'; part++)
            ;
        if (!*part)
            snprintf(text, size, "%s", rows[i].text);
        else if (part[1] == 'u')
            snprintf(text, size, "%.*s%u%s", (int)(part - rows[i].text), rows[i].text, rest, part + 2);
        else
            snprintf(text, size, "%.*s%02X%s", (int)(part - rows[i].text), rows[i].text, rest, part + 4);
        break;
    }
    return text;
}

const char *ins_name(uint8_t cla, uint8_t ins)
{
    if (cla & 0x80)
        return NULL;
    for (size_t i = 0; i < sizeof instructions / sizeof *instructions; i++)
        if (instructions[i].ins == ins)
            return instructions[i].name;
    return NULL;
}
