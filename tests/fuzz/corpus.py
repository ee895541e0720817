#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Between the corpora of the repository (text, one input a line in hex) and folders of files as libFuzzer wants them.

usage: corpus.py unpack FILE.hex FOLDER   a file for each input
       corpus.py pack FOLDER FILE.hex     put the folder's inputs that are not written by hand below the line
       corpus.py hex FILE                 one input as such a line

What is written by hand, above the line, is never touched.
"""
import hashlib
import os
import sys

LINE = "# ---- found by the fuzzer, minimised ----"


def by_hand(path):
    """The lines above the line, its end included."""
    text = open(path, encoding="ascii").read()
    return text.split(LINE)[0].rstrip("\n") + "\n"


def inputs(text):
    for line in text.splitlines():
        word = line.split("#")[0].strip()
        if word:
            yield b"" if word == "-" else bytes.fromhex(word)


def to_hex(data):
    return data.hex().upper() or "-"


def unpack(path, folder):
    os.makedirs(folder, exist_ok=True)
    for data in inputs(open(path, encoding="ascii").read()):
        with open(os.path.join(folder, hashlib.sha1(data).hexdigest()), "wb") as file:
            file.write(data)


def pack(folder, path):
    hand = by_hand(path)
    known = set(inputs(hand))
    found = {open(entry.path, "rb").read() for entry in os.scandir(folder)} - known
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(hand)
        file.write(LINE + "\n")
        for data in sorted(found, key=lambda d: (len(d), d)):
            file.write(to_hex(data) + "\n")
    os.replace(path + ".new", path)


def main(words):
    if len(words) == 3 and words[0] == "unpack":
        unpack(words[1], words[2])
    elif len(words) == 3 and words[0] == "pack":
        pack(words[1], words[2])
    elif len(words) == 2 and words[0] == "hex":
        print(to_hex(open(words[1], "rb").read()))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
