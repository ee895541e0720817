/* SPDX-License-Identifier: MIT */
/*
 * Threads: the host's own and the drivers' (PsCreateSystemThread), thread objects, and references to objects.
 */
#include "internal.h"
#include "wait.h"
#include "verify/verify.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

#define STACK_SIZE (1024 * 1024)

static POBJECT_TYPE thread_type;
POBJECT_TYPE *PsThreadType = &thread_type;

/* ---- operating system threads ------------------------------------------------------------------------------------ */

/* Join what has ended, without the lock: each is past its last use of the host. */
static void join_list(struct os_thread *ended)
{
    while (ended != NULL) {
        struct os_thread *next = ended->next;

        pthread_join(ended->id, NULL);
        free(ended);
        ended = next;
    }
}

static void *os_thread_main(void *argument)
{
    struct os_thread *thread = argument;
    struct nt_host *host = thread->host;
    struct os_thread *others;

    host_cpu.Host = host;
    thread->routine(thread->argument);
    if (host_cpu.Irql != PASSIVE_LEVEL) {
        host_fail("PsCreateSystemThread", "a thread ended at IRQL %d", host_cpu.Irql);
    }

    pthread_mutex_lock(&host->threads_lock);
    others = host->ended;
    thread->next = NULL;
    host->ended = thread;
    thread->id = pthread_self(); /* its creator may not have stored it yet */
    pthread_mutex_unlock(&host->threads_lock);

    /* Idle workers come and go: each joins those before it, so that at most one waits to be joined. */
    join_list(others);

    pthread_mutex_lock(&host->threads_lock);
    host->running--;
    pthread_cond_broadcast(&host->threads_ended);
    pthread_mutex_unlock(&host->threads_lock);
    return NULL;
}

NTSTATUS os_thread_start(struct nt_host *host, void (*routine)(void *argument), void *argument)
{
    /* A fault is this thread's own: were it blocked, the application's handler would not be asked. */
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
    struct os_thread *thread = calloc(1, sizeof(*thread));
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t id;
    int error;

    if (thread == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    thread->host = host;
    thread->routine = routine;
    thread->argument = argument;
    pthread_mutex_lock(&host->threads_lock);
    host->running++;
    pthread_mutex_unlock(&host->threads_lock);

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    sigfillset(&all);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        sigdelset(&all, faults[i]);
    }
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the application's */
    error = pthread_create(&id, &attributes, os_thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error == 0) {
        return STATUS_SUCCESS;
    }

    pthread_mutex_lock(&host->threads_lock);
    host->running--;
    pthread_cond_broadcast(&host->threads_ended);
    pthread_mutex_unlock(&host->threads_lock);
    free(thread);
    return STATUS_INSUFFICIENT_RESOURCES;
}

void os_thread_join(struct nt_host *host, size_t leave)
{
    struct os_thread *ended;

    pthread_mutex_lock(&host->threads_lock);
    while (host->running > leave) {
        pthread_cond_wait(&host->threads_ended, &host->threads_lock);
    }
    ended = host->ended;
    host->ended = NULL;
    pthread_mutex_unlock(&host->threads_lock);
    join_list(ended);
}

/* ---- thread objects ---------------------------------------------------------------------------------------------- */

struct nt_thread *nt_self(void)
{
    static __thread struct nt_thread own;

    if (host_cpu.Thread == NULL) {
        object_init(&own.header, OBJECT_THREAD, 0);
        own.references = 1;
        host_cpu.Thread = &own;
    }
    return host_cpu.Thread;
}

PKTHREAD KeGetCurrentThread(void)
{
    return host_cpu.Thread != NULL ? host_cpu.Thread : nt_self();
}

KPRIORITY KeSetPriorityThread(PKTHREAD Thread, KPRIORITY Priority)
{
    return 8; /* every thread of ours has the normal priority */
}

static void thread_release(struct nt_thread *thread)
{
    if (InterlockedDecrement(&thread->references) == 0) {
        if (thread->parker.ready) {
            pthread_cond_destroy(&thread->parker.wake);
            pthread_mutex_destroy(&thread->parker.lock);
        }
        free(thread);
    }
}

static void run_routine(struct nt_thread *thread)
{
    jmp_buf leave;
    struct verify_frame frame;

    if (thread->watched != NULL) {
        verify_enter(&frame, thread->watched, "thread", VERIFY_ADDRESS(thread->routine), NULL);
    }
    thread->leave = &leave;
    if (setjmp(leave) == 0) {
        thread->routine(thread->context);
    }
    if (thread->watched != NULL) {
        verify_leave(&frame);
    }
}

static void system_thread(void *argument)
{
    struct nt_thread *thread = argument;
    struct nt_host *host = host_cpu.Host;

    host_cpu.Thread = thread;
    if (host->simulated) {
        simulate_thread_begins(host);
    }
    run_routine(thread);
    host_cpu.Thread = NULL;
    wait_signal(&thread->header); /* the driver may be unloaded from here on: none of its code is on this stack */
    thread_release(thread);
    if (host->simulated) {
        simulate_thread_goes(host);
    }
}

NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                              HANDLE ProcessHandle, PCLIENT_ID ClientId, PKSTART_ROUTINE StartRoutine,
                              PVOID StartContext)
{
    struct nt_host *host = nt_current(__func__);
    struct nt_thread *thread = calloc(1, sizeof(*thread));
    NTSTATUS status;

    VERIFY_CALLED();
    if (thread == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    object_init(&thread->header, OBJECT_THREAD, 0);
    thread->references = 2; /* the handle's and the running thread's */
    thread->routine = StartRoutine;
    thread->context = StartContext;
    thread->watched = verify_driver_here();
    if (host->simulated) {
        simulate_outside(host);
    }
    status = os_thread_start(host, system_thread, thread);
    if (!NT_SUCCESS(status)) {
        if (host->simulated) {
            simulate_inside(host);
        }
        free(thread);
        return status;
    }
    *ThreadHandle = thread;
    if (ClientId != NULL) {
        ClientId->UniqueProcess = NULL;
        ClientId->UniqueThread = thread;
    }
    return STATUS_SUCCESS;
}

NTSTATUS PsTerminateSystemThread(NTSTATUS ExitStatus)
{
    struct nt_thread *thread = KeGetCurrentThread();

    VERIFY_CALLED();
    if (thread->leave == NULL) {
        return STATUS_INVALID_PARAMETER;
    }
    longjmp(*(jmp_buf *)thread->leave, 1);
}

/* ---- references -------------------------------------------------------------------------------------------------- */

static struct nt_thread *thread_of(PVOID object, const char *function)
{
    struct nt_thread *thread = object;

    if (thread == NULL || thread->header.Type != OBJECT_THREAD || thread->header.Magic != OBJECT_MAGIC) {
        host_fail(function, "%p is neither a thread nor a device object", object);
    }
    return thread;
}

NTSTATUS ZwClose(HANDLE Handle)
{
    VERIFY_CALLED();
    thread_release(thread_of(Handle, __func__));
    return STATUS_SUCCESS;
}

NTSTATUS ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK DesiredAccess, POBJECT_TYPE ObjectType,
                                   KPROCESSOR_MODE AccessMode, PVOID *Object, PVOID HandleInformation)
{
    struct nt_thread *thread = thread_of(Handle, __func__);

    VERIFY_CALLED();
    InterlockedIncrement(&thread->references);
    *Object = thread;
    return STATUS_SUCCESS;
}

static bool is_device(const void *object)
{
    return object != NULL && ((const DEVICE_OBJECT *)object)->Type == IO_TYPE_DEVICE;
}

VOID ObReferenceObject(PVOID Object)
{
    if (is_device(Object)) {
        InterlockedIncrement(&((PDEVICE_OBJECT)Object)->Reserved->references);
    } else {
        InterlockedIncrement(&thread_of(Object, __func__)->references);
    }
}

VOID ObDereferenceObject(PVOID Object)
{
    VERIFY_CALLED();
    if (is_device(Object)) {
        device_release(Object);
    } else {
        thread_release(thread_of(Object, __func__));
    }
}
