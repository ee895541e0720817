/* SPDX-License-Identifier: MIT */
/*
 * What is played on: contexts with toys and virtual readers at numbered places, which are pulled and replaced; drivers and
 * whole contexts that come and go. At every fourth place of a context there is a virtual reader with a card.
 */
#include "stress.h"

#include <smartcrd/vreader.h>

#include <sched.h>
#include <string.h>

#define MAX_CONTEXTS 16u
#define MAX_PLACES   256u

struct place {
    pthread_mutex_t
        lock; /* guards now; also held while its reader is replaced, and while a virtual one is opened, whose
                             name may go to the next one */
    struct history *now;
};

static struct smartcrd *contexts[MAX_CONTEXTS];
static pthread_mutex_t spare_locks[MAX_CONTEXTS]; /* one thread at a time plays with a context's spare driver */
static struct place places[MAX_PLACES];

static bool is_card_place(uint32_t place)
{
    return place / settings.contexts % 4 == 3;
}

static struct smartcrd *context_new(void)
{
    struct smartcrd_options options = {.size = sizeof(options),
                                       .abandon_ms = 1,
                                       .journal_entries = 1024,
                                       .simulated_time = settings.simulated,
                                       .verify = settings.verify};
    struct smartcrd *context = NULL;
    NTSTATUS status = smartcrd_create(&options, &context);

    MUST(status == STATUS_SUCCESS, NULL, NULL, "no context: 0x%08X", (unsigned)status);
    return context;
}

static void ask_panel(struct history *history, uint32_t code, const char *text)
{
    struct smartcrd_request request = {.code = code, .in = text, .in_size = strlen(text), .timeout_ms = NONE};
    NTSTATUS status = smartcrd_control(history->panel, &request, NULL);

    MUST(status == STATUS_SUCCESS || status == STATUS_NO_MEDIA || status == STATUS_DEVICE_BUSY ||
             status == STATUS_INSUFFICIENT_RESOURCES || (status == STATUS_DEVICE_REMOVED && history->removing),
         NULL, history, "the panel refuses '%s' with 0x%08X", text, (unsigned)status);
}

/* Waiting times of 90 ms and less: a mute card shall not take minutes. */
static const char *const cards[] = {"echo atr=3B808031FE05CA", "echo atr=3B804001", "fs atr=3B808031FE05CA"};

/* A new reader of the driver, and one who watches it. */
static struct history *plug(struct smartcrd *context, const char *driver, struct dice *dice)
{
    struct history *history = history_new(context);
    NTSTATUS status;

    history->toy = strcmp(driver, "vreader") != 0;
    /* A driver that blocks has threads, which come when they like; a run that shall be the same again has none. */
    history->never_blocks = draw(dice, 8) != 0 || (settings.threads == 1 && settings.simulated);
    history->shows_cell = draw(dice, 4) != 0;
    plugging = history;
    status = smartcrd_add_reader(context, driver, history->name, sizeof(history->name));
    MUST(status == STATUS_SUCCESS, NULL, NULL, "no reader of %s: 0x%08X", driver, (unsigned)status);
    status = smartcrd_open(context, history->name, &history->watcher);
    MUST(status == STATUS_SUCCESS, NULL, NULL, "%s cannot be opened: 0x%08X", history->name, (unsigned)status);
    if (!history->toy) {
        char name[SMARTCRD_NAME_MAX + 8];
        snprintf(name, sizeof(name), "%s-panel", history->name);
        status = smartcrd_open(context, name, &history->panel);
        MUST(status == STATUS_SUCCESS, NULL, NULL, "%s cannot be opened: 0x%08X", name, (unsigned)status);
        ask_panel(history, IOCTL_VREADER_INSERT, cards[draw(dice, 3)]);
    }
    return history;
}

/* Pull its plug; the user that stood for it leaves. */
static void pull(struct history *history)
{
    NTSTATUS status;

    history->removing = true;
    status = smartcrd_remove_reader(history->context, history->name);
    MUST(status == STATUS_SUCCESS, NULL, history, "it cannot be removed: 0x%08X", (unsigned)status);
    history->removed = true;
    history_leave(history);
}

void house_up(void)
{
    struct dice dice = {.seed = settings.seed};
    NTSTATUS status;

    dice_step(&dice);
    for (uint32_t i = 0; i < settings.contexts; i++) {
        contexts[i] = context_new();
        pthread_mutex_init(&spare_locks[i], NULL);
        status = smartcrd_add_driver(contexts[i], "toy", stress_driver_entry);
        MUST(status == STATUS_SUCCESS, NULL, NULL, "no driver: 0x%08X", (unsigned)status);
        status = smartcrd_load_driver(contexts[i], "vreader", NULL, 0);
        MUST(status == STATUS_SUCCESS, NULL, NULL, "no vreader: 0x%08X", (unsigned)status);
    }
    for (uint32_t i = 0; i < settings.readers; i++) {
        pthread_mutex_init(&places[i].lock, NULL);
        places[i].now = plug(contexts[i % settings.contexts], is_card_place(i) ? "vreader" : "toy", &dice);
    }
}

/* The toy keeps the kernel's rules, and so does the virtual reader, whatever happens to them. */
static void look_at_verifier(struct smartcrd *context)
{
    struct smartcrd_violation found;
    char text[512];

    while (settings.verify && smartcrd_next_violation(context, &found)) {
        smartcrd_violation_text(&found, text, sizeof(text));
        violation(NULL, NULL, "the verifier reports: %s", text);
    }
}

void house_down(void)
{
    for (uint32_t i = 0; i < settings.readers; i++)
        pull(places[i].now);
    for (uint32_t i = 0; i < settings.contexts; i++) {
        look_at_verifier(contexts[i]);
        smartcrd_destroy(contexts[i]);
    }
}

struct history *house_reader(uint32_t place)
{
    struct history *history;

    pthread_mutex_lock(&places[place].lock);
    history = places[place].now;
    history_enter(history);
    pthread_mutex_unlock(&places[place].lock);
    return history;
}

static void open_it(struct history *history, struct seat *seat)
{
    struct smartcrd_handle *handle = NULL;
    NTSTATUS status = smartcrd_open(history->context, history->name, &handle);
    bool gone = status == STATUS_DEVICE_REMOVED || status == STATUS_OBJECT_NAME_NOT_FOUND;

    MUST(status == STATUS_SUCCESS || (gone && history->removing), NULL, history, "it cannot be opened: 0x%08X",
         (unsigned)status);
    if (handle)
        seat_opened(seat, history, handle);
    else
        history_leave(history);
}

void house_open(uint32_t place, struct seat *seat)
{
    struct history *history;

    if (is_card_place(place)) {
        pthread_mutex_lock(&places[place].lock);
        history_enter(places[place].now);
        open_it(places[place].now, seat);
        pthread_mutex_unlock(&places[place].lock);
    } else {
        history = house_reader(place);
        open_it(history, seat);
    }
}

void house_replug(uint32_t place, struct dice *dice)
{
    struct history *history;

    if (pthread_mutex_trylock(&places[place].lock) != 0)
        return; /* somebody else does it */
    history = places[place].now;
    const char *driver = history->toy ? "toy" : "vreader";
    struct smartcrd *context = history->context;
    pull(history);
    places[place].now = plug(context, driver, dice);
    tally.replugs++;
    pthread_mutex_unlock(&places[place].lock);
}

void house_panel(struct history *history, struct dice *dice)
{
    static const struct {
        uint32_t code;
        const char *text;
        uint32_t weight;
    } things[] = {
        {IOCTL_VREADER_REMOVE, "", 6},
        {IOCTL_VREADER_FAULT, "none", 6},
        {IOCTL_VREADER_FAULT, "edc byte=1", 3},
        {IOCTL_VREADER_FAULT, "parity byte=2 to=card", 3},
        {IOCTL_VREADER_FAULT, "late us=50", 3},
        {IOCTL_VREADER_FAULT, "wtx", 2},
        {IOCTL_VREADER_FAULT, "remove when=during byte=2", 3},
        {IOCTL_VREADER_FAULT, "duplicate", 2},
        {IOCTL_VREADER_FAULT, "replace hex=00C100", 1},
        {IOCTL_VREADER_FAULT, "mute", 2},
    };
    size_t count = sizeof(things) / sizeof(things[0]);
    uint32_t all = 20, at = 0;

    for (size_t i = 0; i < count; i++)
        all += things[i].weight;
    for (uint32_t left = draw(dice, all); at < count && left >= things[at].weight; at++)
        left -= things[at].weight;
    if (at == count) {
        ask_panel(history, IOCTL_VREADER_INSERT, cards[draw(dice, 3)]);
        return;
    }
    ask_panel(history, things[at].code, things[at].text);
    if (strcmp(things[at].text, "wtx") != 0 && strcmp(things[at].text, "mute") != 0)
        return;
    /* Who runs into this now may have no deadline: the card's leaving ends it. */
    sched_yield();
    ask_panel(history, IOCTL_VREADER_FAULT, "none");
    ask_panel(history, IOCTL_VREADER_REMOVE, "");
}

/* ---- what comes and goes as a whole ------------------------------------------------------------------------------ */

/* Play a little on a new reader of that driver, which goes again. */
static void short_life(struct smartcrd *context, const char *driver, struct dice *dice, struct seat *seat)
{
    struct history *history = plug(context, driver, dice);
    bool closed_first = draw(dice, 2) == 0;
    NTSTATUS status;

    history_enter(history);
    open_it(history, seat);
    for (uint32_t i = draw(dice, SEAT_SLOTS); i > 0; i--)
        play_submit(seat, dice);
    status = smartcrd_unload_driver(context, driver);
    MUST(status == STATUS_DEVICE_BUSY, NULL, history, "its driver can be unloaded: 0x%08X", (unsigned)status);
    if (closed_first)
        play_close(seat);
    pull(history);
    if (!closed_first)
        play_close(seat);
}

void house_spare(struct dice *dice, struct seat *seat)
{
    uint32_t which = draw(dice, settings.contexts);
    struct smartcrd *context = contexts[which];
    NTSTATUS status;

    if (pthread_mutex_trylock(&spare_locks[which]) != 0)
        return;
    status = smartcrd_add_driver(context, "spare", stress_driver_entry);
    MUST(status == STATUS_SUCCESS, NULL, NULL, "no spare driver: 0x%08X", (unsigned)status);
    short_life(context, "spare", dice, seat);
    /* Busy as long as it keeps something that it was asked for. */
    status = smartcrd_unload_driver(context, "spare");
    MUST(status == STATUS_SUCCESS || status == STATUS_DEVICE_BUSY, NULL, NULL, "it cannot be unloaded: 0x%08X",
         (unsigned)status);
    tally.unloads += status == STATUS_SUCCESS;
    pthread_mutex_unlock(&spare_locks[which]);
}

void house_another(struct dice *dice, struct seat *seat)
{
    struct smartcrd *context = context_new();
    const char *driver = draw(dice, 3) == 0 ? "vreader" : "toy";
    NTSTATUS status = strcmp(driver, "toy") == 0 ? smartcrd_add_driver(context, driver, stress_driver_entry)
                                                 : smartcrd_load_driver(context, driver, NULL, 0);

    MUST(status == STATUS_SUCCESS, NULL, NULL, "no driver: 0x%08X", (unsigned)status);
    short_life(context, driver, dice, seat);
    look_at_verifier(context);
    smartcrd_destroy(context);
    tally.contexts++;
}
