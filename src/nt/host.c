/* SPDX-License-Identifier: MIT */
/*
 * A host's beginning and end, the calling thread's current host, and failing.
 */
#include "internal.h"
#include "verify/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

__thread struct host_cpu host_cpu;

NTSTATUS nt_host_create(struct nt_host **host)
{
    struct nt_host *h = calloc(1, sizeof(*h));

    *host = NULL;
    if (h == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    pthread_mutex_init(&h->names_lock, NULL);
    pthread_mutex_init(&h->clock_lock, NULL);
    pthread_mutex_init(&h->work_lock, NULL);
    pthread_mutex_init(&h->threads_lock, NULL);
    pthread_cond_init(&h->clock_idle, NULL);
    pthread_cond_init(&h->threads_ended, NULL);
    InitializeListHead(&h->devices);
    InitializeListHead(&h->dpcs);
    work_init(h);
    h->root = driver_new(h, "root");
    if (!names_init(h) || h->root == NULL) {
        driver_free(h->root);
        names_free(h);
        free(h);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    pnp_root_init(h->root);
    *host = h;
    return STATUS_SUCCESS;
}

static void unload_all(struct nt_host *host)
{
    for (struct nt_driver *driver = host->drivers; driver != NULL; driver = driver->next) {
        driver_call_unload(driver);
    }
}

void nt_host_destroy(struct nt_host *host)
{
    struct nt_host *before;
    struct nt_driver *driver;

    if (host == NULL) {
        return;
    }
    simulate_wait_for_holders(host);
    before = nt_enter(host);
    unload_all(host);
    work_stop(host);
    os_thread_join(host, 1); /* work may still wait for a timer: the clock goes last */
    clock_stop(host);
    os_thread_join(host, 0);
    while ((driver = host->drivers) != NULL) {
        driver_delete_devices(driver);
        host->drivers = driver->next;
        driver_free(driver);
    }
    driver_delete_devices(host->root);
    driver_free(host->root);
    nt_enter(before == host ? NULL : before);
    verify_print(host);
    verify_free(host);
    names_free(host);
    pthread_cond_destroy(&host->threads_ended);
    pthread_cond_destroy(&host->clock_idle);
    pthread_mutex_destroy(&host->threads_lock);
    pthread_mutex_destroy(&host->work_lock);
    pthread_mutex_destroy(&host->clock_lock);
    pthread_mutex_destroy(&host->names_lock);
    free(host);
}

struct nt_host *nt_current(const char *function)
{
    if (host_cpu.Host == NULL) {
        host_fail(function, "this thread is inside no host (nt_enter)");
    }
    return host_cpu.Host;
}

VOID host_fail(const char *Function, const char *Format, ...)
{
    char words[512];
    va_list arguments;

    va_start(arguments, Format);
    vsnprintf(words, sizeof(words), Format, arguments);
    va_end(arguments);
    if (host_cpu.Frame != NULL) {
        struct nt_host *host = host_cpu.Frame->driver->host;

        verify_report(VERIFY_CALL, "%s: %s", Function, words);
        verify_print(host);
    }
    fprintf(stderr, "smartcrd: %s: %s\n", Function, words);
    abort();
}

VOID KeBugCheckEx(ULONG Code, ULONG_PTR P1, ULONG_PTR P2, ULONG_PTR P3, ULONG_PTR P4)
{
    host_fail(__func__, "code 0x%08X (0x%llX, 0x%llX, 0x%llX, 0x%llX)", Code, (unsigned long long)P1,
              (unsigned long long)P2, (unsigned long long)P3, (unsigned long long)P4);
}

/* ---- ports ------------------------------------------------------------------------------------------------------- */

VOID host_offer_ports(const struct host_ports *Ports)
{
    __atomic_store_n(&nt_current(__func__)->ports, Ports, __ATOMIC_RELEASE);
}

/* The model that answers on the calling thread's host. */
static const struct host_ports *ports_here(void)
{
    return host_cpu.Host != NULL ? __atomic_load_n(&host_cpu.Host->ports, __ATOMIC_ACQUIRE) : NULL;
}

UCHAR READ_PORT_UCHAR(PUCHAR Port)
{
    const struct host_ports *ports = ports_here();

    return ports != NULL ? ports->Read(ports->Context, Port) : 0xFF;
}

VOID WRITE_PORT_UCHAR(PUCHAR Port, UCHAR Value)
{
    const struct host_ports *ports = ports_here();

    if (ports != NULL) {
        ports->Write(ports->Context, Port, Value);
    }
}
