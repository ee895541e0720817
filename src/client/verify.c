/* SPDX-License-Identifier: MIT */
/* The verifier as programs see it: its rules and its list. What it watches and how: src/nt/verify. */
#include "context.h"

#include <string.h>

/* One rule is the other's copy, so that the table exists once. */
_Static_assert(sizeof(struct smartcrd_rule) == sizeof(struct nt_rule) &&
                   offsetof(struct smartcrd_rule, text) == offsetof(struct nt_rule, text) &&
                   offsetof(struct smartcrd_rule, advice) == offsetof(struct nt_rule, advice),
               "nt.h");

static const struct smartcrd_rule *as_rule(const struct nt_rule *rule)
{
    return (const struct smartcrd_rule *)(const void *)rule;
}

const struct smartcrd_rule *smartcrd_rule(size_t index)
{
    return as_rule(nt_rule(index));
}

bool smartcrd_next_violation(struct smartcrd *context, struct smartcrd_violation *violation)
{
    struct nt_violation found;

    if (!context || !violation || !nt_next_violation(context->host, &found))
        return false;
    memset(violation, 0, sizeof(*violation));
    violation->number = found.number;
    violation->rule = as_rule(found.rule);
    violation->times = found.times;
    violation->code = found.code;
    violation->id = found.identity.id;
    violation->handle = found.identity.handle;
    memcpy(violation->driver, found.driver, sizeof(violation->driver));
    memcpy(violation->function, found.function, sizeof(violation->function));
    memcpy(violation->request, found.request, sizeof(violation->request));
    memcpy(violation->what, found.what, sizeof(violation->what));
    return true;
}

size_t smartcrd_violation_text(const struct smartcrd_violation *violation, char *text, size_t size)
{
    struct nt_violation found = {
        .number = violation->number,
        .rule = (const struct nt_rule *)(const void *)violation->rule,
        .times = violation->times,
        .code = violation->code,
        .identity = {violation->id, violation->handle},
    };

    memcpy(found.driver, violation->driver, sizeof(found.driver));
    memcpy(found.function, violation->function, sizeof(found.function));
    memcpy(found.request, violation->request, sizeof(found.request));
    memcpy(found.what, violation->what, sizeof(found.what));
    return nt_violation_text(&found, text, size);
}

void smartcrd_function_name(const void *address, char *text, size_t size)
{
    nt_function_name(address, text, size);
}
