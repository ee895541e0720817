/* SPDX-License-Identifier: MIT */
/*
 * Part B, the reader interface: the attributes of the card, from when they are answered and what they are. Expected
 * values are read off the answer to reset by the rules of smclib.md 5.2; the echo card's is
 *
 *   3B 94        direct convention; TA1 and TD1 follow, 4 historical bytes
 *   95 C0        F = 512, D = 16; T=0, TC2 and TD2 follow
 *   02 31        WI = 2; T=1, TA3 and TB3 follow
 *   FE 15        IFSC = 254; BWI = 1, CWI = 5
 *   "echo" 18    historical bytes; TCK
 */
#include "part_b.h"

const DWORD b_card_tags[CARD_TAGS] = {
    SCARD_ATTR_CURRENT_PROTOCOL_TYPE,
    SCARD_ATTR_CURRENT_CLK,
    SCARD_ATTR_CURRENT_F,
    SCARD_ATTR_CURRENT_D,
    SCARD_ATTR_CURRENT_N,
    SCARD_ATTR_CURRENT_W,
    SCARD_ATTR_CURRENT_IFSC,
    SCARD_ATTR_CURRENT_IFSD,
    SCARD_ATTR_CURRENT_BWT,
    SCARD_ATTR_CURRENT_CWT,
    SCARD_ATTR_CURRENT_EBC_ENCODING,
    SCARD_ATTR_ATR_STRING,
    SCARD_ATTR_ICC_TYPE_PER_ATR,
};

static const UCHAR echo_atr[] = {0x3B, 0x94, 0x95, 0xC0, 0x02, 0x31, 0xFE, 0x15, 0x65, 0x63, 0x68, 0x6F, 0x18};

/* ---- from when on ------------------------------------------------------------------------------------------------ */

static void expect_refused(struct suite *suite, HANDLE handle)
{
    for (size_t i = 0; i < CARD_TAGS; i++)
        EXPECT_STATUS(suite, ask(suite, handle, b_card_tags[i], 64), STATUS_INVALID_DEVICE_STATE);
}

void b_card_refused_when_absent(struct suite *suite)
{
    expect_refused(suite, open_reader(suite));
}

void b_card_refused_before_reset(struct suite *suite)
{
    expect_refused(suite, open_reader(suite));
}

/* A reset that is under way: TS has come, the next character comes 800 ms later, within its 9600 etu. */
static struct io *start_slow_reset(struct suite *suite, HANDLE handle)
{
    static const ULONG cold = SCARD_COLD_RESET;
    struct io *io;

    fault(suite, "delay on=atr byte=1 ms=800");
    io = start(suite, handle, IOCTL_SMARTCARD_POWER, &cold, sizeof cold, 33);
    EXPECT(suite, io->pended);
    return io;
}

/* How often to try to look at a reset before it is over, on a machine that is busy with other things. */
#define LOOKS 10

void b_card_refused_during_reset(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    DWORD error[2] = {0, 0};

    card_in(suite, "echo");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    for (int look = 0; look < LOOKS; look++) {
        struct io *reset = start_slow_reset(suite, handle);
        bool during;

        error[0] = ask(suite, handle, SCARD_ATTR_ATR_STRING, 64)->error;
        error[1] = ask(suite, handle, SCARD_ATTR_CURRENT_CLK, 64)->error;
        during = !ends_within(suite, reset, 0);
        EXPECT_STATUS(suite, reset, STATUS_SUCCESS);
        if (during)
            break;
    }
    EXPECT_NUMBER(suite, error[0], error_of(STATUS_INVALID_DEVICE_STATE));
    EXPECT_NUMBER(suite, error[1], error_of(STATUS_INVALID_DEVICE_STATE));
    EXPECT_NUMBER(suite, number(suite, handle, SCARD_ATTR_CURRENT_CLK), 4000);
}

void b_card_refused_after_power_down(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    power_down(suite, handle);
    expect_refused(suite, handle);
}

void b_card_refused_after_removal(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    card_in(suite, "echo");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    set_protocol(suite, handle, SCARD_PROTOCOL_T1);
    card_out(suite);
    expect_refused(suite, handle);
    card_in(suite, "echo");
    expect_refused(suite, handle);
}

/* ---- what they are ----------------------------------------------------------------------------------------------- */

/* In the order of the tags, from CURRENT_PROTOCOL_TYPE to CURRENT_EBC_ENCODING. */
struct values {
    ULONG protocol, clock, f, d, n, w, ifsc, ifsd, bwt, cwt, edc;
};

static void expect_values(struct suite *suite, HANDLE handle, const struct values *want)
{
    const ULONG list[] = {want->protocol, want->clock, want->f,   want->d,   want->n,  want->w,
                          want->ifsc,     want->ifsd,  want->bwt, want->cwt, want->edc};

    for (size_t i = 0; i < COUNT_OF(list); i++) {
        ULONG value = number(suite, handle, b_card_tags[i]);

        if (value != list[i])
            fail(suite, __FILE__, __LINE__, "attribute %08X is %u, not %u", (unsigned)b_card_tags[i], (unsigned)value,
                 (unsigned)list[i]);
    }
}

void b_card_after_reset(struct suite *suite)
{
    static const struct values want = {0, 4000, 512, 16, 0, 2, 254, 254, 1, 5, 0};
    HANDLE handle = open_reader(suite);
    UCHAR atr[33];

    card_in(suite, "echo");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_NEGOTIABLE);
    expect_values(suite, handle, &want);
    EXPECT_BYTES(suite, atr, attribute(suite, handle, SCARD_ATTR_ATR_STRING, atr, sizeof atr), echo_atr,
                 sizeof echo_atr);
}

void b_card_with_t1(struct suite *suite)
{
    static const struct values want = {2, 4000, 512, 16, 0, 2, 254, 254, 1, 5, 0};
    HANDLE handle = open_reader(suite);

    card_in(suite, "echo");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    set_protocol(suite, handle, SCARD_PROTOCOL_T1);
    expect_values(suite, handle, &want);
}

void b_card_with_t0(struct suite *suite)
{
    static const struct values want = {1, 4000, 512, 16, 0, 2, 254, 254, 1, 5, 0};
    HANDLE handle = open_reader(suite);

    card_in(suite, "echo");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    set_protocol(suite, handle, SCARD_PROTOCOL_T0);
    expect_values(suite, handle, &want);
}

/* TD1 = 81 and TD2 = 71: T=1; TA3 = 20, TB3 = 45, TC3 = 01: IFSC 32, BWI 4, CWI 5, CRC. */
void b_card_t1_only(struct suite *suite)
{
    static const struct values want = {0, 4000, 372, 1, 0, 0, 32, 254, 4, 5, 1};
    HANDLE handle = open_reader(suite);

    card_in(suite, "echo atr=3B80817120450114");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    expect_values(suite, handle, &want);
}

/* TC1 = 05 and nothing else: T=0, the default rate, so the card is bound to both at once (state SPECIFIC). */
void b_card_t0_only(struct suite *suite)
{
    static const struct values want = {1, 4000, 372, 1, 5, 10, 0, 254, 0, 0, 0};
    HANDLE handle = open_reader(suite);

    card_in(suite, "echo atr=3B4005");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_SPECIFIC);
    expect_values(suite, handle, &want);
}

void b_card_during_exchange(struct suite *suite)
{
    static const struct values want = {2, 4000, 512, 16, 0, 2, 254, 254, 1, 5, 0};
    static const UCHAR apdu[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    HANDLE handle = open_reader(suite);
    struct io *exchange;
    UCHAR atr[33];

    card_in(suite, "echo");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    set_protocol(suite, handle, SCARD_PROTOCOL_T1);
    fault(suite, "wtx");
    exchange = start_transmit(suite, handle, SCARD_PROTOCOL_T1, apdu, sizeof apdu, 16);
    expect_values(suite, handle, &want);
    EXPECT_BYTES(suite, atr, attribute(suite, handle, SCARD_ATTR_ATR_STRING, atr, sizeof atr), echo_atr,
                 sizeof echo_atr);
    EXPECT(suite, !ends_within(suite, exchange, 0));
}

/* ---- ATR_STRING -------------------------------------------------------------------------------------------------- */

static void expect_same_atr(struct suite *suite, HANDLE handle, DWORD kind)
{
    UCHAR of_power[33], of_attribute[33];
    DWORD size = power_up(suite, handle, kind, of_power);

    EXPECT(suite, size >= 2 && size <= 33);
    EXPECT_BYTES(suite, of_attribute,
                 attribute(suite, handle, SCARD_ATTR_ATR_STRING, of_attribute, sizeof of_attribute), of_power, size);
}

void b_atr_is_powers(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    expect_same_atr(suite, handle, SCARD_COLD_RESET);
    expect_same_atr(suite, handle, SCARD_WARM_RESET);
}

/* The shortest, the longest, one of a card with inverse convention, and one that changes with the kind of reset. */
void b_atr_of_any_card(struct suite *suite)
{
    static const char *const cards[] = {
        "echo atr=3B00",
        "echo atr=3BFF950000E0000AF1FE4500F12045000131323334353637383961626364656669",
        "echo atr=3F00",
        "echo atr=3B00 warm=3B0161",
        "fs",
    };
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < COUNT_OF(cards); i++) {
        card_in(suite, cards[i]);
        expect_same_atr(suite, handle, SCARD_COLD_RESET);
        expect_same_atr(suite, handle, SCARD_WARM_RESET);
        card_out(suite);
    }
}

/* POWER forgets the card before it looks at the kind of reset; the state stays. */
void b_atr_forgotten(struct suite *suite)
{
    static const ULONG no_kind = 3;
    HANDLE handle = open_reader(suite);
    struct io *io;

    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_POWER, &no_kind, sizeof no_kind, 33),
                  STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_NEGOTIABLE);
    io = ask(suite, handle, SCARD_ATTR_ATR_STRING, 33);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, io->returned, 0);
}

/* ---- presence, interface, type ----------------------------------------------------------------------------------- */

static void expect_byte(struct suite *suite, HANDLE handle, DWORD tag, UCHAR want)
{
    UCHAR value = 0xA5;

    EXPECT_NUMBER(suite, attribute(suite, handle, tag, &value, sizeof value), 1);
    EXPECT_NUMBER(suite, value, want);
}

/* The attribute in each state: no card, a card, after a reset, with a protocol, without power again. */
static void expect_by_state(struct suite *suite, DWORD tag, const UCHAR want[5])
{
    HANDLE handle = open_reader(suite);

    expect_byte(suite, handle, tag, want[0]);
    card_in(suite, "echo");
    expect_byte(suite, handle, tag, want[1]);
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    expect_byte(suite, handle, tag, want[2]);
    set_protocol(suite, handle, SCARD_PROTOCOL_Tx);
    expect_byte(suite, handle, tag, want[3]);
    power_down(suite, handle);
    expect_byte(suite, handle, tag, want[4]);
    card_out(suite);
    expect_byte(suite, handle, tag, want[0]);
}

void b_presence(struct suite *suite)
{
    static const UCHAR want[5] = {0, 1, 2, 2, 1};

    expect_by_state(suite, SCARD_ATTR_ICC_PRESENCE, want);
}

void b_interface_status(struct suite *suite)
{
    static const UCHAR want[5] = {0x00, 0x00, 0xFF, 0xFF, 0x00};

    expect_by_state(suite, SCARD_ATTR_ICC_INTERFACE_STATUS, want);
}

void b_presence_during_reset(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    UCHAR presence = 0xA5, active = 0xA5;
    ULONG state = SCARD_UNKNOWN;

    card_in(suite, "echo");
    for (int look = 0; look < LOOKS; look++) {
        struct io *reset = start_slow_reset(suite, handle);
        bool during;

        state = reader_state(suite, handle);
        attribute(suite, handle, SCARD_ATTR_ICC_PRESENCE, &presence, sizeof presence);
        attribute(suite, handle, SCARD_ATTR_ICC_INTERFACE_STATUS, &active, sizeof active);
        during = !ends_within(suite, reset, 0);
        EXPECT_STATUS(suite, reset, STATUS_SUCCESS);
        if (during)
            break;
    }
    EXPECT_NUMBER(suite, state, SCARD_POWERED);
    EXPECT_NUMBER(suite, presence, 2);
    EXPECT_NUMBER(suite, active, 0xFF);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_NEGOTIABLE);
}

void b_icc_type(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    expect_byte(suite, handle, SCARD_ATTR_ICC_TYPE_PER_ATR, 0);
    set_protocol(suite, handle, SCARD_PROTOCOL_T0);
    expect_byte(suite, handle, SCARD_ATTR_ICC_TYPE_PER_ATR, 1);
    power_up(suite, handle, SCARD_WARM_RESET, NULL);
    expect_byte(suite, handle, SCARD_ATTR_ICC_TYPE_PER_ATR, 0);
    set_protocol(suite, handle, SCARD_PROTOCOL_T1);
    expect_byte(suite, handle, SCARD_ATTR_ICC_TYPE_PER_ATR, 1);
}
