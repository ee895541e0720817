/* SPDX-License-Identifier: MIT */
#ifndef CLI_ATR_FILE_H
#define CLI_ATR_FILE_H

struct cli;

/*
 * Every ATR of a list in the format of pcsc-tools' smartcard_list.txt ("-": standard input): a line that begins with a
 * hex digit is an ATR, possibly a regular expression, which is skipped; other lines are comments and descriptions.
 * Returns CLI_OK also when some were refused: that is the answer; CLI_FILE when the list cannot be read.
 */
int atr_file(struct cli *cli, const char *path);

#endif
