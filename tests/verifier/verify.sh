#!/bin/sh
# SPDX-License-Identifier: MIT
# `smartcrd verify`: what it says of drivers without a mistake, with one, that crash, that hang, and that are none.
#
#   verify.sh SMARTCRD BROKEN_DRIVER EXAMPLE_DRIVER NAMES_DRIVER SOURCE_ROOT
# shellcheck source=tests/e2e/cli_support.inc
. "$(dirname "$0")/../e2e/cli_support.inc"
broken=$2 example=$3 names=$4 root=$5

# keeps RULE_NAME ARGUMENTS...: no rule is broken
keeps() {
	what=$1
	shift
	ran "$what keeps every rule" 0 verify "$@"
	says "no rule was broken"
	grep -q BROKEN "$work/out" && fail "it says BROKEN"
	quiet
}

keeps "the virtual reader" vreader --rounds 6 --seed 1
says "cards powered" "not tried"
ran "the virtual reader keeps them in simulated time" 0 --simulated-time verify --rounds 3 --seed 1
says "no rule was broken"
keeps "the example" "$example" --rounds 4 --seed 1 --vendor 2048
says "the driver has no AddDevice"
keeps "the driver with every name" "$names" --rounds 6 --seed 1
keeps "the driver without a mistake" "$broken" --rounds 6 --seed 1 --vendor 2048

# Some of the mistakes; verifier.c has all of them.
while read -r mistake breaks function; do
	export BROKEN="$mistake"
	ran "$mistake is found" 1 verify "$broken" --rounds 6 --seed 1 --vendor 2048
	says "in $function" "to do: "
	grep -qE "^    $breaks +BROKEN" "$work/out" || fail "$breaks is not BROKEN"
	[ "$(grep -c BROKEN "$work/out")" = 1 ] || fail "more rules are broken than $breaks"
	complains "1 rule is broken"
	again=$(sed -n 's/^ *again: smartcrd //p' "$work/out" | head -n 1)
	rule="$mistake is found again by what its report says"
	for try in 1 2 3 4 5; do # how requests meet is not the seed's
		# shellcheck disable=SC2086
		"$SMARTCRD" $again >"$work/out" 2>"$work/err" </dev/null
		grep -qE "^    $breaks +BROKEN" "$work/out" && break
		[ "$try" -lt 5 ] || fail "not with: $again"
	done
done <<END
completes_twice completed_twice EjectDone
stores_nothing last_error_not_stored EjectDone
leaves_notification notification_left CancelTracking
claims_too_much_pended information_beyond_buffer EjectDone
writes_state state_without_lock SetProtocol
asks_paged_pool_in_dpc wrong_irql TransmitDone
keeps_lock_in_work lock_held_on_return EjectDone
writes_behind_reply buffer_overrun SetProtocol
writes_behind_pool pool_overrun Vendor
END

export BROKEN=crashes
ran "a driver that crashes does not take the verdict with it" 1 verify "$broken" --seed 1
says "CRASHED SIGSEGV, in Transmit" "TRANSMIT" "again: smartcrd verify" "--here" "not tried"
complains "the driver has ended the process"
export BROKEN=asserts
ran "nor does one that ends the process with a sentence" 1 verify "$broken" --seed 1 --vendor 2048
says "CRASHED SIGABRT, in Vendor"
complains "verifier: wrong_call: broken, Vendor (0x00312000" "the moon is made of cheese"
export BROKEN=hangs
ran "nor one that hangs" 1 verify "$broken" --seed 1 --limit 2
says "HUNG for more than 2 seconds, its threads in " "Transmit" "again: smartcrd verify"
complains "the driver hangs"
unset BROKEN

export BROKEN=marks_and_completes
ran "--verify watches any command" 1 --verify --driver "$broken" power
complains "verifier: marked_not_pending: broken, Power (IOCTL_SMARTCARD_POWER"
unset BROKEN
ran "--verify says nothing of a driver without a mistake" 0 --verify --driver "$broken" power, protocol t0, send 00A40000
quiet
ran "nor of the virtual reader" 0 --verify --card fs power, protocol, send 00A40000
quiet

ran "a file that is no driver gives no reader" 3 verify "$work/none.so"
complains "gives no reader: STATUS_OBJECT_NAME_NOT_FOUND" "No such file"
one_line
ran "nor does a name that is none" 3 verify nobody
complains "there is no driver 'nobody' built in"
for bad in "--seconds 0" "--seed x" "--vendor 2047" "--vendor 2048,,2049" "--nothing" "a b"; do
	# shellcheck disable=SC2086
	ran "$bad is refused" 2 verify $bad
	one_line
done
ran "everything can stay in one process" 0 verify --here --rounds 1 --seed 1
says "no rule was broken"

ran "the verdict is there as JSON" 0 --json verify --rounds 1 --seed 1
python3 - "$work/out" "$root/docs/verifier.md" <<'END' || fail "the object or docs/verifier.md"
import json, sys
verdict = json.load(open(sys.argv[1]))
page = open(sys.argv[2]).read()
assert verdict["end"] == "ended" and verdict["seed"] == 1 and verdict["rounds"] == 1, verdict
assert len(verdict["rules"]) > 20 and all(r["kept"] and not r["violations"] for r in verdict["rules"]), verdict
assert sum(r["tried"] for r in verdict["requests"]) > 10 and verdict["events"]["loaded"] == 2, verdict
for rule in verdict["rules"]:
    assert "| `%s` |" % rule["rule"] in page, "docs/verifier.md does not name " + rule["rule"]
END
finish
