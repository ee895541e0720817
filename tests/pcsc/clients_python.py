#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests with pyscard, for clients_python.sh: clients_python.py FUNCTION, against the pcscd of the environment."""
import os
import re
import subprocess
import sys
import time

from smartcard import scard

FIRST = "smartcrd 1 00 00"
FS_ATR = "3B 95 95 C0 02 31 FE 15 80 73 B6 21 40 3C"
ECHO_ATR = "3B 94 95 C0 02 31 FE 15 65 63 68 6F 18"
SELECT = [0x00, 0xA4, 0x01, 0x0C, 0x02, 0x7F, 0x10]
READ = [0x00, 0xB0, 0x81, 0x00, 0x08]

# Function numbers of control codes, and the two forms in which programs give them.
GET_STATE, GET_LAST_ERROR, INSERT, REMOVE, FAULT, STATUS, JOURNAL = 14, 15, 2048, 2049, 2050, 2051, 4000


def pcsclite(function):
    return 0x42000000 + function


def windows(function):
    return 0x00310000 | function << 2


FORMS = (pcsclite, windows)


def same(wanted, got):
    assert wanted == got, f"wanted {wanted!r}, got {got!r}"


def word(number):
    return list(number.to_bytes(4, "little"))


def text(number_list):
    return bytes(number_list).decode("ascii")


class Raw:
    """A connection by the bare calls of PC/SC, whose codes are to be seen."""

    def __init__(self, mode=scard.SCARD_SHARE_DIRECT, protocols=0, reader=FIRST):
        result, self.context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        same(scard.SCARD_S_SUCCESS, result)
        # Who asks for the readers waits until pcscd has looked into each.
        same(scard.SCARD_S_SUCCESS, scard.SCardListReaders(self.context, [])[0])
        result, self.card, self.protocol = scard.SCardConnect(self.context, reader, mode, protocols)
        same(scard.SCARD_S_SUCCESS, result)

    def control(self, code, data=()):
        return scard.SCardControl(self.card, code, list(data))

    def good(self, code, data=()):
        result, answer = self.control(code, data)
        same(scard.SCARD_S_SUCCESS, result)
        return answer

    def attribute(self, tag):
        return tuple(scard.SCardGetAttrib(self.card, tag))

    def transmit(self, command):
        pci = scard.SCARD_PCI_T0 if self.protocol == scard.SCARD_PROTOCOL_T0 else scard.SCARD_PCI_T1
        return scard.SCardTransmit(self.card, pci, command)


def shared(protocols=scard.SCARD_PROTOCOL_T1):
    return Raw(scard.SCARD_SHARE_SHARED, protocols)


def connects_and_transmits():
    from smartcard.System import readers
    from smartcard.util import toHexString

    same([FIRST], [str(reader) for reader in readers()])
    connection = readers()[0].createConnection()
    connection.connect()
    same(FS_ATR, toHexString(connection.getATR()))
    same(([], 0x90, 0x00), connection.transmit(SELECT))
    same((list(b"smartcrd"), 0x90, 0x00), connection.transmit(READ))
    same(([], 0x6D, 0x00), connection.transmit([0x00, 0x12, 0x00, 0x00]))
    connection.disconnect()


def extended_lengths_over_both_protocols():
    from smartcard.CardConnection import CardConnection
    from smartcard.System import readers

    # 300 bytes in one command; over T=0 the handler takes it apart.
    data = [number % 251 for number in range(300)]
    for protocol in (CardConnection.T1_protocol, CardConnection.T0_protocol):
        connection = readers()[0].createConnection()
        connection.connect(protocol)
        same(protocol, connection.getProtocol())
        same(([], 0x90, 0x00), connection.transmit(SELECT))
        same(([], 0x90, 0x00), connection.transmit([0x00, 0xD6, 0x85, 0x00, 0x00, 0x01, 0x2C] + data))
        same((data[256:], 0x90, 0x00), connection.transmit([0x00, 0xB0, 0x01, 0x00, 44]))
        connection.disconnect()


def a_long_answer_comes_whole():
    raw = shared()
    same((0, [0x90, 0x00]), tuple(raw.transmit(SELECT)))
    result, answer = raw.transmit([0x00, 0xB0, 0x85, 0x00, 0x00, 0x10, 0x00])
    same((0, 4098, [0x90, 0x00]), (result, len(answer), answer[-2:]))


def answers_to_reset_and_attributes():
    raw = shared()
    same((0, list(bytes.fromhex(FS_ATR))), raw.attribute(scard.SCARD_ATTR_ATR_STRING))
    same((0, list(b"smartcrd")), raw.attribute(scard.SCARD_ATTR_VENDOR_NAME))
    same((0, list(b"Virtual Reader")), raw.attribute(scard.SCARD_ATTR_VENDOR_IFD_TYPE))
    same((0, word(2)), raw.attribute(scard.SCARD_ATTR_CURRENT_PROTOCOL_TYPE))
    same((0, word(254)), raw.attribute(scard.SCARD_ATTR_MAX_IFSD))
    same((0, word(4000)), raw.attribute(scard.SCARD_ATTR_DEFAULT_CLK))
    # Of pcscd itself.
    same((0, list(FIRST.encode() + b"\0")), raw.attribute(scard.SCARD_ATTR_DEVICE_FRIENDLY_NAME_A))


def attributes_that_are_not_there():
    raw = Raw()
    same(scard.SCARD_E_UNSUPPORTED_FEATURE, raw.attribute(0x00054242)[0])
    same((0, []), raw.attribute(scard.SCARD_ATTR_ATR_STRING))


def last_error_by_both_forms_of_its_code():
    raw = Raw()
    for form in FORMS:
        same(word(0), raw.good(form(GET_LAST_ERROR)))
    raw.good(pcsclite(FAULT), b"none")
    same(scard.SCARD_E_NOT_TRANSACTED, raw.control(windows(FAULT), b"nonsense")[0])
    for form in FORMS:
        same(word(0xC000000D), raw.good(form(GET_LAST_ERROR)))  # STATUS_INVALID_PARAMETER


def state_by_both_forms_of_its_code():
    raw = shared()
    for form in FORMS:
        same(word(6), raw.good(form(GET_STATE)))  # SCARD_SPECIFIC: a protocol is in force
    raw.good(pcsclite(REMOVE))
    for form in FORMS:
        same(word(1), raw.good(form(GET_STATE)))  # SCARD_ABSENT


def vendor_codes_change_the_card():
    raw = Raw()
    for form in FORMS:
        raw.good(form(REMOVE))
        same(True, text(raw.good(form(STATUS))).startswith("card=none"))
        raw.good(form(INSERT), b"echo")
        same(True, text(raw.good(form(STATUS))).startswith("card=echo"))


def control_codes_that_are_refused():
    raw = Raw()
    # Power, transmit, protocol and tracking have calls of their own; and numbers that are no control codes.
    for function in (1, 5, 10, 11, 12):
        for form in FORMS:
            same(scard.SCARD_E_UNSUPPORTED_FEATURE, raw.control(form(function), [0] * 12)[0])
    for code in (0, 1, 0x00220004, 0x42000000, 0x42001000):
        same(scard.SCARD_E_UNSUPPORTED_FEATURE, raw.control(code)[0])
    # The list of PC/SC part 10 features is empty, and asking for it is no operation.
    same([], raw.good(pcsclite(3400)))
    same(word(0), raw.good(pcsclite(GET_LAST_ERROR)))


def our_tool_tells_the_last_error():
    raw = shared()
    raw.good(pcsclite(FAULT), b"mute count=0")
    same(scard.SCARD_E_NOT_TRANSACTED, raw.transmit(READ)[0])
    # It has the reader beside us.
    said = subprocess.run(["smartcrd-pcsc", "last-error"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("0xC00000B5 STATUS_IO_TIMEOUT: "), said


def journal_tells_what_happened():
    raw = shared()
    same(0, raw.transmit(READ)[0])
    raw.good(pcsclite(FAULT), b"mute count=0")
    same(scard.SCARD_E_NOT_TRANSACTED, raw.transmit(READ)[0])
    for form in FORMS:
        lines = text(raw.good(form(JOURNAL))).splitlines()
        transmits = [line for line in lines if "IOCTL_SMARTCARD_TRANSMIT" in line]
        assert re.match(r"^\d+ IOCTL_SMARTCARD_TRANSMIT STATUS_SUCCESS driver 13 \d+ \d+ us", transmits[0]), lines
        assert re.match(r"^\d+ IOCTL_SMARTCARD_TRANSMIT STATUS_IO_TIMEOUT \w+ 13 0 \d+ us: ", transmits[1]), lines


def until(seen, condition):
    """Wait until the list that another thread fills meets the condition."""
    for _ in range(300):
        if condition(seen):
            return
        time.sleep(0.1)
    raise AssertionError(f"this is all that came: {seen}")


def card_monitor_sees_cards_come_and_go():
    from smartcard.CardMonitoring import CardMonitor, CardObserver
    from smartcard.util import toHexString

    seen = []

    class Observer(CardObserver):
        def update(self, observable, actions):
            added, removed = actions
            seen.extend(("in", toHexString(card.atr)) for card in added)
            seen.extend(("out", toHexString(card.atr)) for card in removed)

    monitor, observer = CardMonitor(), Observer()
    monitor.addObserver(observer)
    until(seen, lambda seen: seen == [("in", FS_ATR)])
    raw = Raw()
    raw.good(pcsclite(REMOVE))
    until(seen, lambda seen: seen == [("in", FS_ATR), ("out", FS_ATR)])
    raw.good(pcsclite(INSERT), b"echo")
    until(seen, lambda seen: seen == [("in", FS_ATR), ("out", FS_ATR), ("in", ECHO_ATR)])
    monitor.deleteObserver(observer)


def a_removed_card_is_an_error():
    raw, hand = shared(), Raw()
    same(0, raw.transmit(READ)[0])
    hand.good(pcsclite(REMOVE))
    result, answer = raw.transmit(READ)
    assert result in (scard.SCARD_E_NO_SMARTCARD, scard.SCARD_W_REMOVED_CARD), scard.SCardGetErrorMessage(result)
    same([], answer)
    # Another card is another card: the connection to the one before stays lost.
    hand.good(pcsclite(INSERT), b"echo")
    for _ in range(300):
        result = scard.SCardStatus(raw.card)[0]
        if result == scard.SCARD_W_REMOVED_CARD:
            break
        time.sleep(0.1)
    same(scard.SCARD_W_REMOVED_CARD, raw.transmit(READ)[0])


def reader_monitor_sees_every_reader():
    from smartcard.ReaderMonitoring import ReaderMonitor, ReaderObserver

    seen = []

    class Observer(ReaderObserver):
        def update(self, observable, actions):
            added, removed = actions
            seen.extend(sorted(("in", str(reader)) for reader in added))
            seen.extend(("out", str(reader)) for reader in removed)

    monitor, observer = ReaderMonitor(period=0.2), Observer()
    monitor.addObserver(observer)
    # pcscd 1.9.9 takes no reader away while it runs, but for USB.
    until(seen, lambda seen: seen == [("in", FIRST), ("in", "smartcrd 2 01 00")])
    monitor.deleteObserver(observer)


def main():
    globals()[sys.argv[1]]()
    # pyscard's own threads may still sleep.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


main()
