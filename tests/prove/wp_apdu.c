/* SPDX-License-Identifier: MIT */
/* WP: command APDUs parsed and built, of any size and with any content. */
#include "contracts.h"
#include "apdu.h"
#include "apdu_contracts.h"

/*@ requires \valid_read(bytes + (0 .. 1));
    assigns \nothing;
    ensures \result <= 65535;
*/
static uint32_t big_endian(const uint8_t *bytes);
/*@ requires \valid_read(bytes + (0 .. size - 1)) && \valid(command) && size >= 6 && bytes[4] != 0;
    requires \separated(command, bytes + (0 .. size - 1)) && command->lc == 0 && command->le == 0;
    assigns *command;
    ensures \result ==> command_of(*command, bytes, size);
*/
static bool parse_short(const uint8_t *bytes, size_t size, struct iso7816_command *command);
/*@ requires \valid_read(bytes + (0 .. size - 1)) && \valid(command) && size >= 6;
    requires \separated(command, bytes + (0 .. size - 1)) && command->lc == 0 && command->le == 0;
    assigns *command;
    ensures \result ==> command_of(*command, bytes, size);
*/
static bool parse_extended(const uint8_t *bytes, size_t size, struct iso7816_command *command);
/*@ requires \valid_read(command);
    assigns \nothing;
    ensures \result == 0 || \result == 4 + (command->extended && (command->lc != 0 || command->has_le) ? 1 : 0) +
        (command->lc != 0 ? command->lc + (command->extended ? 2 : 1) : 0) +
        (command->has_le ? (command->extended ? 2 : 1) : 0);
    ensures \result != 0 && command->lc != 0 ==> command->data != \null;
    ensures \result != 0 ==> command->lc <= 65535;
*/
static size_t coded_size(const struct iso7816_command *command);
/*@ requires \valid(bytes + (0 .. (extended ? 1 : 0)));
    assigns bytes[0 .. (extended ? 1 : 0)];
    ensures \result == (extended ? 2 : 1);
*/
static size_t put_length(uint8_t *bytes, uint32_t value, bool extended);
/*@ requires \valid_read(command) && \valid(bytes + (0 .. room - 1));
    requires command->data != \null ==> \valid_read(command->data + (0 .. command->lc - 1));
    requires command->data != \null ==> \separated(bytes + (0 .. room - 1), command->data + (0 .. command->lc - 1));
    requires \separated(command, bytes + (0 .. room - 1));
    assigns bytes[0 .. room - 1];
    ensures \result <= room;
*/
size_t iso7816_command_build(const struct iso7816_command *command, uint8_t *bytes, size_t room);
/*@ assigns \nothing; */
bool iso7816_command_is_secret(uint8_t cla, uint8_t ins);

#include "../../src/iso7816/apdu.c"
