/* SPDX-License-Identifier: MIT */
/* The generator: tables of what can happen and how often, and dice that depend on nothing but the seed. */
#include "stress.h"

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

/* How often, compared with each other. What costs a thread or a device is rare, or nothing else would happen. */
static const uint32_t actions[ACTION_COUNT] = {
    [ACTION_CONTROL] = 42000, [ACTION_SUBMIT] = 20000,   [ACTION_ASK] = 12000, [ACTION_QUERY] = 2000,
    [ACTION_REAP] = 9000,     [ACTION_REAP_ONE] = 2000,  [ACTION_POLL] = 500,  [ACTION_CANCEL] = 4000,
    [ACTION_HAND] = 2000,     [ACTION_CANCEL_ALL] = 500, [ACTION_DRAIN] = 500, [ACTION_CLOSE] = 250,
    [ACTION_PANEL] = 400,     [ACTION_TYPED] = 800,      [ACTION_REPLUG] = 30, [ACTION_SPARE] = 15,
    [ACTION_CONTEXT] = 5,
};

static const struct {
    const char *name;
    uint32_t weight; /* in a thousand */
} behaviours[TOY_BEHAVIOURS] = {
    [TOY_RETURN] = {"returns", 860}, [TOY_HOLD] = {"holds", 50},  [TOY_KEEP] = {"keeps", 30},
    [TOY_STORE] = {"stores", 30},    [TOY_SLEEP] = {"sleeps", 5}, [TOY_TRACK] = {"tracks", 25},
};

/* What is no query and no tracking request, the vendors' codes among them: to the toy they are all the same. */
static const uint32_t codes[] = {
    SCARD_CTL_CODE(2048),         SCARD_CTL_CODE(3000),          IOCTL_SMARTCARD_POWER,
    IOCTL_SMARTCARD_SET_PROTOCOL, IOCTL_SMARTCARD_SET_ATTRIBUTE, IOCTL_SMARTCARD_TRANSMIT,
    IOCTL_SMARTCARD_CONFISCATE,   IOCTL_SMARTCARD_EJECT,         IOCTL_SMARTCARD_SWALLOW,
};

/* Steele, Lea and Flood's mix of 64 bits (splitmix64). */
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

void dice_step(struct dice *dice)
{
    dice->state = mix(dice->seed ^ mix(++dice->step));
}

uint32_t draw(struct dice *dice, uint32_t below)
{
    dice->state = dice->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((dice->state >> 32) * below) >> 32);
}

enum action choose_action(struct dice *dice)
{
    static _Atomic uint32_t sum;
    uint32_t action = 0;
    uint32_t all = atomic_load_explicit(&sum, memory_order_relaxed);

    if (all == 0) {
        for (uint32_t i = 0; i < ACTION_COUNT; i++)
            all += actions[i];
        atomic_store_explicit(&sum, all, memory_order_relaxed); /* whoever is first; it is always the same */
    }
    for (uint32_t left = draw(dice, all); left >= actions[action]; action++)
        left -= actions[action];
    return (enum action)action;
}

enum behaviour choose_behaviour(struct dice *dice)
{
    uint32_t behaviour = 0;

    for (uint32_t left = draw(dice, 1000); left >= behaviours[behaviour].weight; behaviour++)
        left -= behaviours[behaviour].weight;
    return (enum behaviour)behaviour;
}

const char *behaviour_name(enum behaviour behaviour)
{
    return behaviours[behaviour].name;
}

uint32_t choose_code(struct dice *dice, enum behaviour behaviour)
{
    if (behaviour == TOY_TRACK)
        return draw(dice, 2) ? IOCTL_SMARTCARD_IS_PRESENT : IOCTL_SMARTCARD_IS_ABSENT;
    return codes[draw(dice, COUNT(codes))];
}

/* Mostly none: a clock's thread costs more than anything else. Now and then longer than a client waits for a driver that
 * does not let go, above all where it cannot. */
uint32_t choose_delay_us(struct dice *dice, enum behaviour behaviour)
{
    uint32_t often = behaviour == TOY_KEEP || behaviour == TOY_STORE ? 40 : 1;
    uint32_t chance = draw(dice, 1000);

    return chance < often ? 2000 : chance < 300 ? 1 + draw(dice, 60) : 0;
}

uint32_t choose_timeout_ms(struct dice *dice)
{
    return draw(dice, 8) == 0 ? draw(dice, 3) : NONE;
}
