/* SPDX-License-Identifier: MIT */
/*
 * What the end-to-end tests share: a context with one virtual reader, requests in one line, buffers that end at a guard
 * page, and a driver whose callbacks a test writes itself (support_driver.h). It judges nothing about the stack.
 */
#ifndef TESTS_E2E_SUPPORT_H
#define TESTS_E2E_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <smartcrd/smartcrd.h>
#include <smartcrd/vreader.h>

/* Long enough that only a request that hangs for ever reaches it. */
#define PATIENCE_MS 60000u

/* The classic dual ATR: T=0 and T=1 offered, default rates, so NEGOTIABLE after a reset. */
#define ATR_DUAL      "3B80800101"
/* The same with the shortest waiting times that the library computes: WI 1 (100 ms) and BWI 1, CWI 1.
 * T0 80; TD1 C0: TC2, TD2, T=0; TC2 01; TD2 21: TB3, T=1; TB3 11; TCK. */
#define ATR_IMPATIENT "3B80C001211171"

void status_equal(NTSTATUS actual, NTSTATUS expected, const char *expression, const char *file, int line);
#define assert_status(actual, expected) status_equal((actual), (expected), #actual, __FILE__, __LINE__)

/* ---- a context with one virtual reader --------------------------------------------------------------------------- */

struct world {
    struct smartcrd *context;
    char name[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *reader;
    struct smartcrd_handle *panel;
};

void world_open(struct world *world, const struct smartcrd_options *options);
void world_close(struct world *world);
/* cmocka fixtures: *state is a struct world. */
int world_setup(void **state);
int world_teardown(void **state);

/* The same with one reader of support_driver.h whose vendor code runs scripts and whose tracking pends; no panel. */
int scripted_setup(void **state);
/* Run a script on it (support_driver.h says what `how` can be), or start one that pends. */
struct smartcrd_completion scripted(struct smartcrd_handle *handle, NTSTATUS status, uint32_t how, NTSTATUS stored,
                                    uint32_t delay_ms);
uint64_t start_script(struct smartcrd_handle *handle, NTSTATUS status, uint32_t how, uint32_t delay_ms,
                      uint32_t timeout_ms);

/* Open the reader once more, or its panel. */
struct smartcrd_handle *open_handle(struct smartcrd *context, const char *name);

void insert_card(struct world *world, const char *text); /* through the panel; must succeed */
void take_card_out(struct world *world);
void arm_fault(struct world *world, const char *text);
void power_up(struct world *world); /* cold reset; must succeed */
void select_protocol(struct world *world, uint32_t mask);
/* insert, power, protocol */
void ready_card(struct world *world, const char *text, uint32_t protocol);

/* ---- requests ---------------------------------------------------------------------------------------------------- */

NTSTATUS control(struct smartcrd_handle *handle, uint32_t code, const void *in, size_t in_size, void *out,
                 size_t out_size, size_t *information);
/* No buffers at all. */
NTSTATUS bare(struct smartcrd_handle *handle, uint32_t code);
/* A vendor code's text. */
NTSTATUS say(struct smartcrd_handle *handle, uint32_t code, const char *text);
/* IOCTL_SMARTCARD_GET_LAST_ERROR, which must answer STATUS_SUCCESS with 4 bytes. */
NTSTATUS last_error(struct smartcrd_handle *handle);
/* IOCTL_SMARTCARD_GET_STATE, likewise. */
uint32_t reader_state(struct smartcrd_handle *handle);

/* SCARD_IO_REQUEST and a command, for TRANSMIT; returns the size. */
size_t with_pci(uint8_t *buffer, uint32_t protocol, const void *command, size_t size);
/* TRANSMIT with its headers; `reply` gets what follows the reply's header. */
NTSTATUS transmit(struct smartcrd_handle *handle, uint32_t protocol, const void *command, size_t size, uint8_t *reply,
                  size_t *reply_size);

/* Start a request that must return STATUS_PENDING (or, with a deadline, may have ended by it at once: finish knows). */
uint64_t start(struct smartcrd_handle *handle, uint32_t code, const void *in, size_t in_size, void *out,
               size_t out_size, uint32_t timeout_ms);
/* SELECT MF, the usual harmless command, as a pending TRANSMIT; the buffers live for ever. */
uint64_t start_transmit(struct smartcrd_handle *handle, uint32_t protocol, uint32_t timeout_ms);
/* Submit, and wait for the end when it pends. */
struct smartcrd_completion run(struct smartcrd_handle *handle, uint32_t code, const void *in, size_t in_size, void *out,
                               size_t out_size, uint32_t timeout_ms);
/* Reap one that must come. */
struct smartcrd_completion finish(struct smartcrd_handle *handle, uint64_t id);

/* The journal entry with this sequence number, which must be there. */
struct smartcrd_journal_entry journal_entry(struct smartcrd_handle *handle, uint64_t sequence);
/* The newest entry. */
struct smartcrd_journal_entry journal_newest(struct smartcrd_handle *handle);

/* Milliseconds of the monotonic clock. */
uint64_t now_ms(void);
void sleep_ms(unsigned ms);
/* Under a sanitizer or valgrind times say little. */
unsigned time_scale(void);

/* ---- buffers that end at a page nobody may touch ------------------------------------------------------------------ */

struct guarded {
    uint8_t *base; /* the mapping */
    uint8_t *end;  /* the first byte of the guard page */
    size_t size;   /* of the mapping */
};

void guarded_make(struct guarded *guarded, size_t room);
void guarded_free(struct guarded *guarded);

#endif
