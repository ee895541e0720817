/* SPDX-License-Identifier: MIT */
/* Cancelling: one request, or all of a handle. What a claim leads to is op_claimed's business (op.c). */
#include "op.h"

NTSTATUS smartcrd_cancel(struct smartcrd_handle *handle, uint64_t id)
{
    NTSTATUS status = STATUS_NOT_FOUND;
    uint32_t before = OP_ENDED;
    struct smartcrd *context;
    struct nt_held held;
    struct op *op;

    if (!handle || id == 0)
        return STATUS_NOT_FOUND;
    context = handle->context;
    held = context_hold(context);
    pthread_mutex_lock(&handle->lock);
    op = table_find(handle, id);
    if (op) {
        op_ref(op);
        before = op_claim(op, OP_CANCEL);
        status = op_won(before) || (before & OP_CLAIM) == OP_CANCEL ? STATUS_SUCCESS : STATUS_ALREADY_COMPLETE;
    }
    pthread_mutex_unlock(&handle->lock);
    if (op_won(before))
        op_claimed(op, before);
    if (op)
        op_unref(op);
    context_release(held);
    return status;
}

size_t handle_claim_all(struct smartcrd_handle *handle, uint32_t claim)
{
    struct smartcrd *context = handle->context;
    struct nt_held held = context_hold(context);
    struct op *won = NULL;
    size_t count = 0;

    /* First the claims, under the lock, then what follows from them, which takes other locks and calls drivers. */
    pthread_mutex_lock(&handle->lock);
    for (uint32_t i = 0; i < handle->bucket_count; i++) {
        for (struct op *op = handle->buckets[i]; op; op = op->table_next) {
            uint32_t before = op_claim(op, claim);
            if (op_won(before)) {
                op_ref(op);
                op->claim_before = before;
                op->claim_next = won;
                won = op;
                count++;
            }
        }
    }
    pthread_mutex_unlock(&handle->lock);
    while (won) {
        struct op *op = won;
        won = op->claim_next;
        op_claimed(op, op->claim_before);
        op_unref(op);
    }
    context_release(held);
    return count;
}

size_t smartcrd_cancel_all(struct smartcrd_handle *handle)
{
    return handle ? handle_claim_all(handle, OP_CANCEL) : 0;
}
