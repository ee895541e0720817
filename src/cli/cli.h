/* SPDX-License-Identifier: MIT */
/*
 * The smartcrd command: what its files share. Handlers know readers through smartcrd.h alone, so that another way to
 * reach a reader (a device that several processes open) changes nothing here but cli_start.
 *
 * Threads: one thread runs commands; interrupt.c owns a second one that waits for SIGINT and touches only what that
 * file guards.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <smartcrd/smartcrd.h>

#include "json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes, as smartcrd(1) documents them. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,  /* an operation ended with an error status, or an answer was not the one asked for */
    CLI_USAGE = 2,   /* bad input; nothing was done */
    CLI_MISSING = 3, /* no such reader or driver, or it could not be started */
    CLI_FILE = 4,    /* a file could not be read or written */
    CLI_INTERRUPTED = 130,
};

#define CLI_APDU_MAX     (4 + 3 + 65535 + 2)
#define CLI_RESPONSE_MAX (65536 + 2)
#define CLI_TEXT_MAX     65536 /* of a script or of a card's body */
#define CLI_JOURNAL      256
#define CLI_CARDS        32 /* --card, once for each reader */

struct cli_reader {
    char name[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *handle;
    struct smartcrd_handle *panel; /* NULL: not a virtual reader */
};

/* An overlapped request of `send --async`; its buffers belong to it until it has been reaped. */
struct cli_pending {
    struct cli_pending *next;
    uint64_t id;
    struct cli_reader *reader;
    uint8_t *buffer; /* reply with its SCARD_IO_REQUEST */
    size_t room;
};

struct cli {
    /* options */
    const char *driver;
    unsigned readers_wanted;
    const char *cards[CLI_CARDS];
    size_t card_count;
    bool as_json, verbose, keep_going, show_pins, simulated_time, verify;
    bool colour, interactive;
    /* readers */
    struct smartcrd *context;
    struct cli_reader **readers;
    size_t reader_count;
    struct cli_reader *reader; /* the one that commands mean */
    struct cli_pending *pending;
    unsigned violations; /* of the driver, with --verify: printed by cli_stop */
    /* the command that runs */
    const char *command;
    const char *where; /* "FILE:LINE", NULL on the command line */
    bool checking;     /* only parse: handlers return before they do anything */
    bool quit;
    struct json json;
    NTSTATUS status;
    char error[512];
};

/* ---- commands.c ---- */

struct cli_command {
    const char *name;
    const char *args;
    const char *summary;
    const char *help; /* more lines, may be NULL */
    bool needs_reader;
    int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the name */
};

const struct cli_command *cli_command_find(const char *name);
const struct cli_command *cli_command_at(size_t index); /* NULL ends the walk */

/*
 * Run the commands in words[0..count), separated by words_comma. First every one of them is checked; when one is wrong,
 * none is run. Stops at the first that fails, unless keep_going. Returns the first exit code that is not 0.
 */
int cli_run_words(struct cli *cli, char **words, size_t count);
/* Complain about a line that is no words at all. Returns CLI_USAGE. */
int cli_refuse_line(struct cli *cli, const char *why);
/* Only check them. */
int cli_check_words(struct cli *cli, char **words, size_t count);

/* ---- cmd_attr.c ---- */

const char *cli_attribute_at(size_t index); /* a name; NULL ends the walk */

/* ---- readers.c ---- */

int cli_start(struct cli *cli); /* context, driver, readers, cards; does nothing the second time */
void cli_stop(struct cli *cli);
/* Open a reader (and its panel) once, or find it opened. NULL: *status says why. */
struct cli_reader *cli_reader_open(struct cli *cli, const char *name, NTSTATUS *status);

/* The readers sorted by name; free it. NULL: no memory. */
struct smartcrd_reader_info *cli_list(struct cli *cli, size_t *count);
/* The name by which smartcrd_load_driver knows what was named by name or by path: without folder and ending. */
void cli_driver_name(const char *driver, char *name, size_t size);

/*
 * Hand a text to the virtual reader: a vendor code of vreader.h. NULL `why` or a buffer for the reader's own words on
 * what was wrong with it (empty when it said nothing).
 */
NTSTATUS cli_vendor_text(struct cli_reader *reader, uint32_t code, const char *text, size_t size, bool queued,
                         char *why, size_t why_size);
/* Why the virtual reader refused the last text; empty when it does not say. */
void cli_refusal(struct cli_reader *reader, char *why, size_t size);
/* The slot in words (IOCTL_VREADER_STATUS), one line. */
NTSTATUS cli_slot_status(struct cli_reader *reader, char *text, size_t size);

/* The newest journal entry of a handle's reader; false: none. */
bool cli_newest_entry(struct smartcrd_handle *handle, struct smartcrd_journal_entry *entry);

/* ---- out.c ---- */

/* To standard output, unless --json. */
void cli_say(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line on standard error, and "error" of the JSON object. Returns code. */
int cli_complain(struct cli *cli, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* An operation ended with an error status: name, number, sentence, and the journal's words. Returns CLI_FAILED. */
int cli_failed(struct cli *cli, NTSTATUS status);

enum cli_colour { CLI_PLAIN, CLI_GOOD, CLI_BAD, CLI_DIM, CLI_STRONG };
/* Escape sequences, or "" where there is no colour. */
const char *cli_on(const struct cli *cli, enum cli_colour colour);
const char *cli_off(const struct cli *cli);

/* "STATUS_IO_TIMEOUT (0xC00000B5)". */
const char *cli_status_words(NTSTATUS status, char *text, size_t size);
/* Bytes as hex with spaces, at most `size` characters with the NUL; the rest becomes "...". */
const char *cli_hex_words(const uint8_t *bytes, size_t count, char *text, size_t size);
/* Bytes as hex, 32 a line, later lines indented by `indent`. */
void cli_say_hex(struct cli *cli, const uint8_t *bytes, size_t count, int indent);
const char *cli_state_word(uint32_t state);
const char *cli_state_text(uint32_t state);
const char *cli_protocol_word(uint32_t protocol, char *text, size_t size);
/* status, status_code, status_text. */
void cli_json_status(struct json *json, NTSTATUS status);
void cli_json_entry(struct json *json, const struct smartcrd_journal_entry *entry);
/* "POWER cold"; the control code without its prefix, and the minor code in words. */
const char *cli_operation_words(const struct smartcrd_journal_entry *entry, char *text, size_t size);

uint64_t cli_now_ns(void); /* real time, with --simulated-time as well */

/* ---- args.c ---- */

enum cli_option_kind { CLI_FLAG, CLI_NUMBER, CLI_STRING };

struct cli_option {
    const char *name;
    enum cli_option_kind kind;
    void *value;       /* bool, uint32_t, const char * */
    uint32_t min, max; /* CLI_NUMBER */
};

/* Take the options out of argv; *argc becomes the number of words left. CLI_OK or CLI_USAGE, then it has complained. */
int cli_options(struct cli *cli, int *argc, char **argv, const struct cli_option *options, size_t count);
/* Complain unless there are min to max words after the name. */
int cli_count(struct cli *cli, int argc, char **argv, int min, int max);

/* ---- interrupt.c: SIGINT cancels what runs ---- */

bool interrupt_start(void);
void interrupt_stop(void);
bool interrupt_seen(void);
/* While nothing runs that could be cancelled, SIGINT ends the program. */
void interrupt_idle(bool on);
void interrupt_clear(void);
/* A descriptor that is readable once SIGINT has come; -1: none. */
int interrupt_fd(void);
/* Sleep; returns early, with false, when SIGINT comes. */
bool interrupt_sleep(uint32_t milliseconds);
/* Let that much of the readers' time pass; returns early, with false, when SIGINT comes. */
bool cli_sleep(struct cli *cli, uint32_t milliseconds);
/* While a handle is known here, SIGINT cancels all it has in flight. false: too many. */
bool interrupt_know(struct smartcrd_handle *handle);
void interrupt_forget(struct smartcrd_handle *handle);

/* ---- script.c, shell.c ---- */

int cli_script(struct cli *cli, const char *path); /* "-": standard input */
int cli_shell(struct cli *cli);
/* One line of a script or of the shell; the line is taken apart in place. */
int cli_line(struct cli *cli, char *line, bool check_only);
/* Read a whole text file of at most CLI_TEXT_MAX bytes; NULL: it has complained. NUL-terminated; free it. */
char *cli_read_file(struct cli *cli, const char *path, size_t *size);

/* ---- handlers ---- */

int cmd_list(struct cli *cli, int argc, char **argv);
int cmd_use(struct cli *cli, int argc, char **argv);
int cmd_add(struct cli *cli, int argc, char **argv);
int cmd_state(struct cli *cli, int argc, char **argv);
int cmd_power(struct cli *cli, int argc, char **argv);
int cmd_protocol(struct cli *cli, int argc, char **argv);
int cmd_atr(struct cli *cli, int argc, char **argv);
int cmd_send(struct cli *cli, int argc, char **argv);
int cmd_wait(struct cli *cli, int argc, char **argv);
int cmd_cancel(struct cli *cli, int argc, char **argv);
int cmd_attr(struct cli *cli, int argc, char **argv);
int cmd_last_error(struct cli *cli, int argc, char **argv);
int cmd_log(struct cli *cli, int argc, char **argv);
int cmd_watch(struct cli *cli, int argc, char **argv);
int cmd_insert(struct cli *cli, int argc, char **argv);
int cmd_remove(struct cli *cli, int argc, char **argv);
int cmd_fault(struct cli *cli, int argc, char **argv);
int cmd_sleep(struct cli *cli, int argc, char **argv);
int cmd_help(struct cli *cli, int argc, char **argv);
int cmd_quit(struct cli *cli, int argc, char **argv);
int cmd_conform(struct cli *cli, int argc, char **argv);
int cmd_verify(struct cli *cli, int argc, char **argv);
int cmd_demo(struct cli *cli, int argc, char **argv);

#endif
