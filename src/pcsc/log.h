/* SPDX-License-Identifier: MIT */
/* A line for pcscd's log, or for standard error where there is no pcscd. Any thread. */
#ifndef PCSC_LOG_H
#define PCSC_LOG_H

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
