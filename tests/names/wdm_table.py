#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The table of docs/porting.md that says what of WDM is there: made from include/smartcrd/wdm.h, one row for each of its
parts. Without --write it checks that the page has it as it is.

usage: wdm_table.py SOURCE_ROOT [--write]
"""
import re
import sys

# What Wine 8.0 has no code for: its exports that only say so, or that are not there; KeInsertQueueDpc does nothing.
NOT_IN_WINE = {
    'ExTryToAcquireFastMutex', 'IoFreeErrorLogEntry', 'IoInvalidateDeviceState', 'IoWriteErrorLogEntry',
    'KeAcquireGuardedMutex', 'KeInitializeGuardedMutex', 'KeInsertQueueDpc', 'KeLowerIrql', 'KeRaiseIrql',
    'KeRaiseIrqlToDpcLevel', 'KeReadStateMutex', 'KeReadStateSemaphore', 'KeReadStateTimer', 'KeReleaseGuardedMutex',
    'KeRemoveQueueDpc', 'KeStallExecutionProcessor', 'KeTryToAcquireGuardedMutex', 'READ_PORT_UCHAR',
    'WRITE_PORT_UCHAR',
}
BEGIN, END = '<!-- from include/smartcrd/wdm.h: begin -->', '<!-- end -->'


def names(part):
    """Routines and function-like macros with Microsoft's names, in the order of the header."""
    part = re.sub(r'/\*.*?\*/', '', part, flags=re.S).replace('\\\n', ' ')
    found = []
    for line in part.split('\n'):
        macro = re.match(r'#define (\w+)(\(| +\w+$)', line)
        routine = re.match(r'[A-Z]\w*(?: \w+)* \*?(\w+)\(', line)
        name = macro or routine
        if not name or line.startswith('typedef'):
            continue
        name = name.group(1)
        # Constants and annotations are no routines; host_... is ours.
        if re.match(r'host_|NTAPI|NTKERNELAPI|FASTCALL|DECLSPEC|FORCEINLINE|__', name):
            continue
        if macro and macro.group(2) != '(' and not re.match(r'[A-Z][a-z]', name):
            continue
        if name not in found:
            found.append(name)
    return found


def table(header):
    parts = re.split(r'/\* ---- (.*?) -+ \*/\n', header)
    rows = ['| Part of `wdm.h` | Routines and macros |', '|---|---|']
    for title, part in zip(parts[1::2], parts[2::2]):
        found = ['`%s`%s' % (name, '†' if name in NOT_IN_WINE else '') for name in names(part)]
        if found:
            rows.append('| %s | %s |' % (re.split('[:,]', title)[0], ', '.join(found)))
    return '\n'.join(rows)


def main():
    root = sys.argv[1]
    page_path = root + '/docs/porting.md'
    rows = table(open(root + '/include/smartcrd/wdm.h').read())
    page = open(page_path).read()
    before, rest = page.split(BEGIN + '\n', 1)
    old, after = rest.split('\n' + END, 1)
    if '--write' in sys.argv[2:]:
        open(page_path, 'w').write(before + BEGIN + '\n' + rows + '\n' + END + after)
        return 0
    if rows.count('\n') < 10 or 'IoCompleteRequest' not in rows or 'KeSetTimer' not in rows:
        print('the header was not understood')
        return 1
    if old != rows:
        print('docs/porting.md does not say what wdm.h has; tests/names/wdm_table.py . --write mends it')
        return 1
    print('%d parts, %d names' % (rows.count('\n') - 1, rows.count('`') // 2 - 1))
    return 0


sys.exit(main())
