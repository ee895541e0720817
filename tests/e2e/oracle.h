/* SPDX-License-Identifier: MIT */
/*
 * What must come of a request to the toy reader (support_driver.h), computed from the text of smclib.md, section 3, and
 * from nothing else: the order of its checks, and what it leaves open.
 */
#ifndef TESTS_E2E_ORACLE_H
#define TESTS_E2E_ORACLE_H

#include <smartcrd/smartcrd.h>

struct question {
    uint32_t code;
    const uint8_t *in;
    size_t in_size, out_size;
    uint32_t state;
    uint32_t selected;
    uint32_t minor_before; /* the minor code in force when the input has none (3.0, 4) */
    bool callbacks;        /* whether the driver has any */
    bool tracking;         /* a tracking request is pending */
};

struct answer {
    NTSTATUS status;
    size_t information;
    NTSTATUS or_status;     /* where the specification leaves the order of two checks open: the other one's status */
    bool any;               /* where it says nothing at all: only that nothing breaks */
    bool keeps_information; /* 3.0, 1 and 2: IoStatus.Information is not touched */
};

/* 1.2: the answered attributes, and their sizes with the toy reader. */
struct attribute {
    uint32_t tag;
    uint8_t size;
    bool needs_card; /* INVALID_DEVICE_STATE below NEGOTIABLE */
};
#define ATTRIBUTES 29u
extern const struct attribute attributes[ATTRIBUTES];

struct answer expected(const struct question *question);
struct answer refuse(NTSTATUS status);
/* The first ULONG of an input, least byte first; and the minor code that is in force for a question. */
uint32_t number_at(const uint8_t *bytes);
uint32_t minor_of(const struct question *question);

#endif
