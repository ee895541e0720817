/* SPDX-License-Identifier: MIT */
/*
 * Looking for a secret in the memory of another process: every writable mapping (heap, stacks of all threads below
 * their stack pointers as well, thread-local storage, data), in every form that this project gives a command's bytes.
 * The process is stopped meanwhile, or about to end; who stops it is the caller's business.
 */
#ifndef SECRETS_SEARCH_H
#define SECRETS_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SECRET_MAX 1024u

/* A secret in two halves, neither of which tells anything: the bytes are one xor the other. */
struct secret {
    size_t size;
    uint8_t one[SECRET_MAX], other[SECRET_MAX];
};

/* A new one of random bytes, or of decimal digits, that nobody has seen. size: 8 at least. */
void secret_make(struct secret *secret, size_t size);
void secret_make_digits(struct secret *secret, size_t size);

/* Write it out. Who does that wipes `to` in the end. */
void secret_write(const struct secret *secret, uint8_t *to);

/*
 * Look for it, and for any eight bytes in a row of it: as they are, in the inverse convention (ISO/IEC 7816-3:2006, 7.1),
 * as hex in capitals or small letters, with and without blanks between the bytes, and in wide characters.
 *
 * verbose  say on standard output where they are
 *
 * Returns how many places there are; -1 when the memory cannot be read.
 */
int search_process(pid_t process, const struct secret *secret, bool verbose);

/* The same in what is in a file, from its beginning: how many places. */
int search_file(int file, const struct secret *secret);

#endif
