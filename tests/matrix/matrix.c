/* SPDX-License-Identifier: MIT */
/*
 * Runs the cells of a walk: matrix WALK [--stride N] [--floor N] [--ceiling N] [NUMBER]. A cell that fails prints a line
 * that begins with the words that run it alone. --stride N runs every Nth cell; --floor N fails when fewer cells than
 * that exist, --ceiling N when the rules leave something open in more of them.
 */
#include "matrix.h"

static const struct {
    const char *name;
    void (*walk)(struct desk *desk);
} walks[] = {{"t1", walk_t1}, {"t0", walk_t0}, {"atr", walk_atr}, {"pps", walk_pps}};

void text(char *to, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(to, size, format, arguments);
    va_end(arguments);
}

void atr_text(char *to, size_t size, const char *hex, bool tck)
{
    unsigned check = 0;

    for (size_t i = 2; hex[i] != '\0'; i += 2) {
        char byte[3] = {hex[i], hex[i + 1], '\0'};

        check ^= (unsigned)strtoul(byte, NULL, 16);
    }
    if (tck)
        text(to, size, "%s%02X", hex, check & 0xFFu);
    else
        text(to, size, "%s", hex);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

bool desk_say(struct desk *desk, uint32_t code, const char *words)
{
    struct smartcrd_request request = {
        .code = code, .in = words, .in_size = strlen(words), .timeout_ms = SMARTCRD_NO_TIMEOUT};

    return smartcrd_control(desk->panel, &request, NULL) == STATUS_SUCCESS;
}

NTSTATUS desk_reset(struct desk *desk, uint8_t atr[33], size_t *size)
{
    *size = 33;
    return smartcrd_power(desk->reader, SCARD_COLD_RESET, atr, size, SMARTCRD_NO_TIMEOUT);
}

bool desk_connect(struct desk *desk, uint32_t protocol)
{
    uint8_t atr[33];
    size_t size;

    return desk_reset(desk, atr, &size) == STATUS_SUCCESS &&
           smartcrd_set_protocol(desk->reader, protocol, NULL, SMARTCRD_NO_TIMEOUT) == STATUS_SUCCESS;
}

/* ---- one cell ---------------------------------------------------------------------------------------------------- */

static bool glob(const char *pattern, const char *words)
{
    for (; *pattern != '\0' && *pattern != '*'; pattern++, words++) {
        if (*pattern != *words)
            return false;
    }
    if (*pattern == '\0')
        return *words == '\0';
    do {
        if (glob(pattern + 1, words))
            return true;
    } while (*words++ != '\0');
    return false;
}

static void complain(struct desk *desk, const struct cell *cell, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void complain(struct desk *desk, const struct cell *cell, const char *format, ...)
{
    va_list arguments;
    char words[400];

    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    printf("matrix %s %llu # %s: %s\n", desk->walk, (unsigned long long)desk->index, cell->name, words);
    desk->failed++;
}

static bool answers(enum answer answer, const uint8_t *got, size_t size, const uint8_t *right, size_t right_size)
{
    size_t wrong = 0;

    switch (answer) {
    case ANSWER_RIGHT:
        return size == right_size && memcmp(got, right, size) == 0;
    case ANSWER_ALTERED:
        for (size_t i = 0; size == right_size && i < size; i++)
            wrong += got[i] != right[i];
        return size == right_size && wrong == 1;
    case ANSWER_NONE:
        return false;
    default:
        return true;
    }
}

static const char *name_of(NTSTATUS status)
{
    const char *name = smartcrd_status_name(status);

    return name != NULL ? name : "?";
}

static bool judge_journal(struct desk *desk, const struct cell *cell, NTSTATUS status)
{
    const struct expected *e = &cell->expected;
    struct smartcrd_journal_entry entries[64];
    size_t count = smartcrd_journal(desk->reader, 0, entries, 64);
    const struct smartcrd_journal_entry *entry = &entries[count > 0 ? count - 1 : 0];

    if (count == 0 || entry->status != status) {
        complain(desk, cell, "the journal has another status");
        return false;
    }
    if (desk->loud)
        printf("%s, %s, \"%s\", %u retransmissions\n", name_of(status), smartcrd_layer_name(entry->layer), entry->step,
               entry->retransmissions);
    if (e->layer != ANY && entry->layer != (enum smartcrd_layer)e->layer) {
        complain(desk, cell, "layer %s: \"%s\"", smartcrd_layer_name(entry->layer), entry->step);
        return false;
    }
    if (!glob(e->step, entry->step)) {
        complain(desk, cell, "the journal says \"%s\", not \"%s\"", entry->step, e->step);
        return false;
    }
    if (e->retransmissions != ANY && entry->retransmissions != (uint32_t)e->retransmissions) {
        complain(desk, cell, "%u retransmissions, not %d: \"%s\"", entry->retransmissions, e->retransmissions,
                 entry->step);
        return false;
    }
    return true;
}

static bool judge(struct desk *desk, const struct cell *cell, NTSTATUS status, const uint8_t *reply, size_t size)
{
    const struct expected *e = &cell->expected;
    NTSTATUS last = 0;

    if (status != e->status) {
        struct smartcrd_journal_entry entries[64];
        size_t count = smartcrd_journal(desk->reader, 0, entries, 64);

        complain(desk, cell, "%s, not %s: \"%s\"", name_of(status), name_of(e->status),
                 count > 0 ? entries[count - 1].step : "");
        return false;
    }
    if (smartcrd_last_error(desk->second, &last) != STATUS_SUCCESS || last != status) {
        complain(desk, cell, "GET_LAST_ERROR says %s after %s", name_of(last), name_of(status));
        return false;
    }
    if (NT_SUCCESS(status) && !answers(e->answer, reply, size, cell->right, cell->right_size)) {
        complain(desk, cell, "the answer is wrong");
        return false;
    }
    return judge_journal(desk, cell, status);
}

static bool gone(struct desk *desk, const struct cell *cell)
{
    struct smartcrd_request absent = {.code = IOCTL_SMARTCARD_IS_ABSENT, .timeout_ms = 0};
    uint32_t state = 99;
    uint8_t reply[8];
    size_t size = sizeof(reply);

    if (smartcrd_state(desk->second, &state) != STATUS_SUCCESS || state != SCARD_ABSENT ||
        smartcrd_control(desk->second, &absent, NULL) != STATUS_SUCCESS ||
        NT_SUCCESS(smartcrd_transmit(desk->reader, (const uint8_t *)"\0\0\0\0", 4, reply, &size, 0))) {
        complain(desk, cell, "the card is not known to be gone");
        return false;
    }
    return true;
}

static bool judge_next(struct desk *desk, const struct cell *cell)
{
    static uint8_t reply[66000];
    size_t size = sizeof(reply);
    NTSTATUS status;

    if (cell->expected.after == GONE)
        return gone(desk, cell);
    if (cell->expected.after == AFTER_RESET && !cell->prepare(desk, cell->what)) {
        complain(desk, cell, "the reset afterwards fails");
        return false;
    }
    status = cell->next(desk, cell->what, reply, &size);
    if (status != STATUS_SUCCESS || !answers(ANSWER_RIGHT, reply, size, cell->next_right, cell->next_right_size)) {
        struct smartcrd_journal_entry entries[64];
        size_t count = smartcrd_journal(desk->reader, 0, entries, 64);

        complain(desk, cell, "the exchange afterwards ends with %s%s: \"%s\"", name_of(status),
                 status == STATUS_SUCCESS ? " and a wrong answer" : "", count > 0 ? entries[count - 1].step : "");
        return false;
    }
    return true;
}

static bool put_in(struct desk *desk, const struct cell *cell)
{
    char words[160];
    uint32_t state = SCARD_ABSENT;

    if (!desk_say(desk, IOCTL_VREADER_FAULT, "none") || smartcrd_state(desk->reader, &state) != STATUS_SUCCESS)
        return false;
    if (strcmp(desk->card, cell->card) == 0 && state != SCARD_ABSENT)
        return true;
    (void)desk_say(desk, IOCTL_VREADER_REMOVE, "");
    text(words, sizeof(words), "%s", cell->card);
    text(desk->card, sizeof(desk->card), "%s", cell->card);
    return desk_say(desk, IOCTL_VREADER_INSERT, words);
}

static void run(struct desk *desk, const struct cell *cell)
{
    static uint8_t reply[66000];
    size_t size = sizeof(reply);
    NTSTATUS status;
    bool fine;

    desk->ran++;
    if (desk->loud)
        printf("%s\n  card   %s\n", cell->name, cell->card);
    if (!put_in(desk, cell) || !cell->prepare(desk, cell->what)) {
        complain(desk, cell, "the card does not come to where the exchange begins");
        desk->card[0] = '\0';
        return;
    }
    for (size_t i = 0; i < 3 && cell->fault[i][0] != '\0'; i++) {
        if (desk->loud)
            printf("  fault  %s\n", cell->fault[i]);
        if (!desk_say(desk, IOCTL_VREADER_FAULT, cell->fault[i])) {
            complain(desk, cell, "the fault \"%s\" is refused", cell->fault[i]);
            return;
        }
    }
    status = cell->exchange(desk, cell->what, reply, &size);
    fine = judge(desk, cell, status, reply, size);
    if (!desk_say(desk, IOCTL_VREADER_FAULT, "none"))
        complain(desk, cell, "the faults cannot be disarmed");
    if (!fine || !judge_next(desk, cell) || cell->expected.after == GONE)
        desk->card[0] = '\0'; /* begin anew */
}

/* The rule leaves open the layer, or all of the step. */
static bool is_open(const struct expected *expected)
{
    return expected->layer == ANY || strcmp(expected->step, "*") == 0;
}

void matrix_cell(struct desk *desk, const struct cell *cell)
{
    desk->index++;
    desk->open += is_open(&cell->expected);
    if (desk->only != 0 ? desk->index == desk->only : desk->index % desk->stride == 0)
        run(desk, cell);
}

void matrix_faulty(struct desk *desk, const struct cell *base, const struct expected *expected, const char *format, ...)
{
    struct cell cell = *base;
    size_t used = strlen(cell.name);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(cell.fault[0], sizeof(cell.fault[0]), format, arguments);
    va_end(arguments);
    text(cell.name + used, sizeof(cell.name) - used, ", %s", cell.fault[0][0] != '\0' ? cell.fault[0] : "no fault");
    cell.expected = *expected;
    matrix_cell(desk, &cell);
}

void matrix_no_rule(struct desk *desk, const struct cell *cell)
{
    desk->index++;
    complain(desk, cell, "there is no rule");
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

static bool open_desk(struct desk *desk)
{
    struct smartcrd_options options = {.size = sizeof(options), .simulated_time = 1};
    char name[SMARTCRD_NAME_MAX], panel[SMARTCRD_NAME_MAX + 8];

    if (smartcrd_create(&options, &desk->context) != STATUS_SUCCESS ||
        smartcrd_load_driver(desk->context, "vreader", NULL, 0) != STATUS_SUCCESS ||
        smartcrd_add_reader(desk->context, "vreader", name, sizeof(name)) != STATUS_SUCCESS)
        return false;
    text(panel, sizeof(panel), "%s-panel", name);
    return smartcrd_open(desk->context, name, &desk->reader) == STATUS_SUCCESS &&
           smartcrd_open(desk->context, name, &desk->second) == STATUS_SUCCESS &&
           smartcrd_open(desk->context, panel, &desk->panel) == STATUS_SUCCESS;
}

int main(int argc, char **argv)
{
    struct desk desk = {.stride = 1};
    uint64_t floor = 0, ceiling = UINT64_MAX;
    int result = 2;

    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--stride") == 0 && i + 1 < argc)
            desk.stride = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--floor") == 0 && i + 1 < argc)
            floor = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--ceiling") == 0 && i + 1 < argc)
            ceiling = strtoull(argv[++i], NULL, 10);
        else
            desk.only = strtoull(argv[i], NULL, 10);
    }
    desk.loud = desk.only != 0;
    if (argc < 2 || desk.stride == 0 || !open_desk(&desk)) {
        fprintf(stderr, "matrix t1|t0|atr|pps [--stride N] [--floor N] [--ceiling N] [NUMBER]\n");
        return result;
    }
    for (size_t i = 0; i < sizeof(walks) / sizeof(walks[0]); i++) {
        if (strcmp(argv[1], walks[i].name) == 0) {
            desk.walk = walks[i].name;
            walks[i].walk(&desk);
        }
    }
    smartcrd_close(desk.reader);
    smartcrd_close(desk.second);
    smartcrd_close(desk.panel);
    smartcrd_destroy(desk.context);
    printf("matrix %s: %llu cells, %llu of them open, %llu run, %llu failed\n", argv[1], (unsigned long long)desk.index,
           (unsigned long long)desk.open, (unsigned long long)desk.ran, (unsigned long long)desk.failed);
    if (desk.index < floor) {
        printf("there must be %llu cells at least\n", (unsigned long long)floor);
        return 1;
    }
    if (desk.open > ceiling) {
        printf("the rules may leave something open in %llu cells at most\n", (unsigned long long)ceiling);
        return 1;
    }
    return desk.failed == 0 && desk.ran > 0 ? 0 : 1;
}
