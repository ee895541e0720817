#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Python programs with pyscard; what each test does is in clients_python.py, in the function of the same name.
. "$(dirname "$0")/clients_support.inc"

# The system's Python has the system's packages.
python=
for each in python3 /usr/bin/python3; do
    [ -n "$python" ] || ! "$each" -c 'import smartcard' 2>/dev/null || python=$each
done
[ -n "$python" ] || skip 'pyscard is not installed (Debian: python3-pyscard)'

# Each function of this name runs the one in Python.
of_python() {
    eval "$1() { PYTHONDONTWRITEBYTECODE=1 $python '$here/clients_python.py' $1; }"
    run "$@"
}

of_python connects_and_transmits --card fs
of_python extended_lengths_over_both_protocols --card fs
of_python a_long_answer_comes_whole --card fs
of_python answers_to_reset_and_attributes --card fs
of_python attributes_that_are_not_there --card ''
of_python last_error_by_both_forms_of_its_code --card ''
of_python state_by_both_forms_of_its_code --card fs
of_python vendor_codes_change_the_card --card fs
of_python control_codes_that_are_refused --card fs
of_python our_tool_tells_the_last_error --card fs
of_python journal_tells_what_happened --card fs
of_python card_monitor_sees_cards_come_and_go --card fs
of_python a_removed_card_is_an_error --card fs
of_python reader_monitor_sees_every_reader --card fs --card ''
finish
