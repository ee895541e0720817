#!/bin/sh
# SPDX-License-Identifier: MIT
# Bad input to the command: one clear line, exit code 2, and nothing done; words, chains and scripts.
. "$(dirname "$0")/cli_support.inc"

bad() {
	rule=$1 text=$2
	shift 2
	ran "$rule" 2 "$@"
	complains "$text"
	one_line
}

bad "an unknown command is refused" 'there is no command "pwoer"' pwoer
bad "a chain with one wrong command does nothing" 'there is no command "pwoer"' list , pwoer
bad "a comma at a word's end separates" 'there is no command "pwoer"' list, pwoer
bad "an unknown option is refused" 'no option --frob' list --frob
bad "an option without its value is refused" '--timeout needs a value' power --timeout
bad "a timeout is a number" '--timeout needs a number' power --timeout 12x
bad "a timeout fits 32 bits" '--timeout needs a number' power --timeout 99999999999999999999
bad "a negative timeout is refused" '--timeout needs a number' power --timeout -1
bad "power takes three words" 'power takes cold, warm or down' power hot
bad "protocols have names" 'is none of t0, t1, raw' protocol t2
bad "too many words are refused" 'one word too many' last-error now
bad "a missing word is named" 'something is missing' use
bad "an odd number of hex digits is refused" 'a byte needs two hex digits' send 00A4000
bad "a letter beyond f is refused" 'no hex digit' send 00A400xx
bad "a lone byte is no APDU" 'is too short' send 00A4
bad "Lc must fit the data" 'does not fit its Lc and Le' send 00A4000005AABB
bad "one wrong APDU among several sends none" 'does not fit its Lc' send 00A40000 00A4000005AABB
for pin in 002000010531323334 00200001043132333x 00:20:00:01:05:31:32:33:34; do
	ran "no complaint quotes a PIN" 2 send "$pin"
	grep -qE '3[:]?1[:]?3[:]?2|3132' "$work/err" && fail "the PIN is in the complaint"
done
bad "nothing to send is refused" 'there is no APDU' send
bad "--expect takes an SW" 'takes four hex digits' send 00A40000 --expect 90
bad "a request's number is a number" "is no request's number" wait x
bad "attributes have names" 'there is no attribute "nonsense"' attr nonsense
bad "an ATR is hex" 'is no ATR in hex' atr 3Bzz
bad "an ATR of 65 bytes is too long" 'too long' atr 3B$(printf '%0128d' 0)
bad "an ATR or a file, not both" 'not both' atr 3B00 --file x
bad "help knows only commands" 'there is no command "x"' help x
bad "sleep takes milliseconds" 'is no number of milliseconds' sleep soon
bad "the demo has two cards" 'fs or cac' demo --card mars
bad "the cac card needs its database" 'needs --db' demo --card cac
bad "log -n takes 1 and more" '-n needs a number' log -n 0
bad "commands or a script, not both" 'not both' -f x list
bad "--readers is a number" '--readers needs a number' --readers many list
bad "there is no card without its reader" '2 times for 1 of --readers' --card fs --card echo list
ran "an unknown global option is refused" 2 --frob

ran "a missing script is exit code 4" 4 -f "$work/none"
complains "No such file"
ran "a missing list of ATRs is exit code 4" 4 atr --file "$work/none"
ran "a missing card text is exit code 4, before anything is done" 4 list , insert script --file "$work/none"
one_line
ran "an unknown driver is exit code 3" 3 --driver nonsense list
ran "a driver's file that is missing is exit code 3" 3 --driver ./nonsense.so list
ran "an unknown reader is exit code 3" 3 use nonsense
complains "there is no such reader"

printf 'list # all\n\n# nothing\nnonsense\n' >"$work/script"
ran "a script is checked as a whole before its first line runs" 2 -f "$work/script"
complains "script:4: there is no command"
one_line
printf 'list\nsend "00\n' >"$work/script"
ran "an open quotation mark is refused" 2 -f "$work/script"
complains "script:2: a quotation mark is not closed"
printf 'list\000list\n' >"$work/script"
ran "a script is text" 4 -f "$work/script"
head -c 70000 /dev/zero | tr '\0' ' ' >"$work/script"
ran "a script has a greatest length" 4 -f "$work/script"
yes list | head -c 60000 | tr '\n' ' ' >"$work/script"
ran "a line has a greatest number of words" 2 -f "$work/script"

rule="standard input is a script, line by line"
printf 'help list\nnonsense\nhelp use\n' | "$SMARTCRD" >"$work/out" 2>"$work/err"
[ $? -eq 2 ] || fail "exit code"
says "list"
grep -q "READER" "$work/out" && fail "it went on after a failure"
rule="a line of standard input is text"
printf 'help list\000\nhelp use\n' | "$SMARTCRD" >"$work/out" 2>"$work/err"
[ $? -eq 2 ] || fail "exit code"
complains "line 1: this is no text"
[ ! -s "$work/out" ] || fail "it went on after a failure"
rule="-k goes on, and still tells of the failure"
printf 'nonsense\nhelp use\n' | "$SMARTCRD" -k >"$work/out" 2>"$work/err"
[ $? -eq 2 ] || fail "exit code"
says "use READER"
rule="a script without its last newline runs"
printf 'help use' | "$SMARTCRD" -f - >"$work/out" 2>"$work/err" || fail "exit code"
says "use READER"

ran "quit ends a chain" 0 quit , use nonsense
ran "help lists every command" 0 help
says list use add state power protocol atr send wait cancel attr last-error log watch insert remove fault demo
ran "help says more" 0 help send
says "--async" "--timeout"
ran "--help tells the exit codes" 0 --help
says "Exit codes" "130"
ran "a comma in quotation marks is a word" 0 -f /dev/null
finish
