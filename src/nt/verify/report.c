/* SPDX-License-Identifier: MIT */
/* The list of violations: entering them, taking them out, putting them into words. */
#include "verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool nt_host_verify(struct nt_host *host, const char *(*code_name)(uint32_t code))
{
    struct verify *verify = calloc(1, sizeof(*verify));

    if (verify == NULL) {
        return false;
    }
    verify->code_name = code_name;
    pthread_mutex_init(&verify->list_lock, NULL);
    pthread_mutex_init(&verify->requests_lock, NULL);
    InitializeListHead(&verify->requests);
    InitializeListHead(&verify->gone);
    host->verify = verify;
    return true;
}

void verify_free(struct nt_host *host)
{
    if (host->verify != NULL) {
        pthread_mutex_destroy(&host->verify->requests_lock);
        pthread_mutex_destroy(&host->verify->list_lock);
        free(host->verify);
        host->verify = NULL;
    }
}

/* ---- in words ---------------------------------------------------------------------------------------------------- */

static const char *major_name(uint8_t major)
{
    switch (major) {
    case IRP_MJ_CREATE:
        return "IRP_MJ_CREATE";
    case IRP_MJ_CLOSE:
        return "IRP_MJ_CLOSE";
    case IRP_MJ_CLEANUP:
        return "IRP_MJ_CLEANUP";
    case IRP_MJ_POWER:
        return "IRP_MJ_POWER";
    case IRP_MJ_SYSTEM_CONTROL:
        return "IRP_MJ_SYSTEM_CONTROL";
    case IRP_MJ_PNP:
        return "IRP_MJ_PNP";
    default:
        return NULL;
    }
}

static const char *pnp_name(uint8_t minor)
{
    switch (minor) {
    case IRP_MN_START_DEVICE:
        return "IRP_MN_START_DEVICE";
    case IRP_MN_SURPRISE_REMOVAL:
        return "IRP_MN_SURPRISE_REMOVAL";
    case IRP_MN_REMOVE_DEVICE:
        return "IRP_MN_REMOVE_DEVICE";
    default:
        return NULL;
    }
}

static void name_request(const struct verify *verify, const struct verify_about *about, char *text, size_t size)
{
    const char *name = about->major == IRP_MJ_PNP ? pnp_name(about->minor) : NULL;

    if (about->major == IRP_MJ_DEVICE_CONTROL) {
        name = verify->code_name != NULL ? verify->code_name(about->code) : NULL;
        if (name == NULL) {
            snprintf(text, size, "0x%08X", about->code);
            return;
        }
    }
    name = name != NULL ? name : major_name(about->major);
    if (name != NULL) {
        snprintf(text, size, "%s", name);
    } else {
        snprintf(text, size, "IRP_MJ 0x%02X", about->major);
    }
}

size_t nt_violation_text(const struct nt_violation *violation, char *text, size_t size)
{
    char request[128] = "";
    int length;

    if (violation->identity.id != 0) {
        snprintf(request, sizeof(request), " (%s, request %llu of handle %u)", violation->request,
                 (unsigned long long)violation->identity.id, violation->identity.handle);
    } else if (violation->request[0] != '\0') {
        snprintf(request, sizeof(request), " (%s)", violation->request);
    }
    length = snprintf(text, size, "%s: %s%s%s%s: %s; %s", violation->rule->name, violation->driver,
                      violation->function[0] != '\0' ? ", " : "", violation->function, request, violation->what,
                      violation->rule->advice);
    return length < 0 ? 0 : (size_t)length;
}

static void print(const struct nt_violation *violation)
{
    char text[1024];

    nt_violation_text(violation, text, sizeof(text));
    fprintf(stderr, "smartcrd: verifier: %s\n", text);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static bool same(const struct nt_violation *a, const struct nt_violation *b)
{
    return a->rule == b->rule && a->code == b->code && strcmp(a->driver, b->driver) == 0 &&
           strcmp(a->function, b->function) == 0 && strcmp(a->request, b->request) == 0;
}

/* false: there is no room for it. */
static bool enter(struct verify *verify, struct nt_violation *violation)
{
    bool entered = false;

    pthread_mutex_lock(&verify->list_lock);
    for (size_t i = 0; i < verify->count && !entered; i++) {
        struct nt_violation *known = &verify->list[(verify->first + i) % VIOLATIONS_MAX];

        entered = same(known, violation);
        known->times += entered;
    }
    if (!entered) {
        violation->number = ++verify->last;
        entered = verify->count < VIOLATIONS_MAX;
        if (entered) {
            verify->list[(verify->first + verify->count++) % VIOLATIONS_MAX] = *violation;
        }
    }
    pthread_mutex_unlock(&verify->list_lock);
    return entered;
}

static void report(enum verify_rule rule, struct nt_driver *driver, const struct verify_about *about,
                   const void *routine, const char *format, va_list *arguments)
{
    struct verify *verify = driver->host->verify;
    struct nt_violation violation = {.rule = nt_rule(rule), .times = 1};

    memcpy(violation.driver, driver->name, sizeof(violation.driver));
    if (routine != NULL) {
        verify_symbol(routine, violation.function, sizeof(violation.function));
    }
    if (about != NULL) {
        violation.code = about->major == IRP_MJ_DEVICE_CONTROL ? about->code : 0;
        violation.identity = about->identity;
        name_request(verify, about, violation.request, sizeof(violation.request));
    }
    vsnprintf(violation.what, sizeof(violation.what), format, *arguments);
    if (!enter(verify, &violation)) {
        print(&violation);
    }
}

void verify_report(enum verify_rule rule, const char *format, ...)
{
    struct verify_frame *frame = host_cpu.Frame;
    struct verify_about about;
    va_list arguments;

    if (frame->request != NULL) {
        verify_request_about(frame->request, &about);
    }
    va_start(arguments, format);
    report(rule, frame->driver, frame->request != NULL ? &about : NULL, frame->routine, format, &arguments);
    va_end(arguments);
}

void verify_broken(enum verify_rule rule, const char *function, const char *format, ...)
{
    char words[160];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    if (host_cpu.Frame == NULL) {
        host_fail(function, "%s", words);
    }
    verify_report(rule, "%s: %s", function, words);
}

void verify_report_request(enum verify_rule rule, struct verify_request *request, const void *routine,
                           const char *format, ...)
{
    struct verify_about about;
    va_list arguments;

    verify_request_about(request, &about);
    if (routine == NULL && host_cpu.Frame != NULL) {
        routine = host_cpu.Frame->routine;
    }
    va_start(arguments, format);
    report(rule, about.driver, &about, routine, format, &arguments);
    va_end(arguments);
}

void verify_report_about(enum verify_rule rule, const struct verify_about *about, const void *routine,
                         const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report(rule, about->driver, about, routine, format, &arguments);
    va_end(arguments);
}

void verify_report_driver(enum verify_rule rule, struct nt_driver *driver, const void *routine, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report(rule, driver, NULL, routine, format, &arguments);
    va_end(arguments);
}

bool nt_next_violation(struct nt_host *host, struct nt_violation *violation)
{
    struct verify *verify = host->verify;
    bool any;

    if (verify == NULL) {
        return false;
    }
    pthread_mutex_lock(&verify->list_lock);
    any = verify->count > 0;
    if (any) {
        *violation = verify->list[verify->first];
        verify->first = (verify->first + 1) % VIOLATIONS_MAX;
        verify->count--;
    }
    pthread_mutex_unlock(&verify->list_lock);
    return any;
}

void verify_print(struct nt_host *host)
{
    struct nt_violation violation;

    while (nt_next_violation(host, &violation)) {
        print(&violation);
    }
}
