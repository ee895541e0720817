/* SPDX-License-Identifier: MIT */
/* What parsing a command APDU promises to those who send it: see contracts.h. */
#ifndef PROVE_APDU_CONTRACTS_H
#define PROVE_APDU_CONTRACTS_H

#include "apdu.h"

/* What a valid command says: its data lies within the bytes that were parsed. */
/*@ predicate command_of(struct iso7816_command c, uint8_t *bytes, integer size) =
        1 <= c.kase <= 4 && c.lc <= 65535 && c.le <= 65536 &&
        (c.lc > 0 ==> (c.data == bytes + 5 || c.data == bytes + 7) && 5 + c.lc <= size &&
            (c.data == bytes + 7 ==> 7 + c.lc <= size));
*/
/*@ requires \valid_read(bytes + (0 .. size - 1)) && \valid(command);
    requires \separated(command, bytes + (0 .. size - 1));
    assigns *command;
    ensures \result ==> command_of(*command, bytes, size);
*/
bool iso7816_command_parse(const uint8_t *bytes, size_t size, struct iso7816_command *command);

#endif
