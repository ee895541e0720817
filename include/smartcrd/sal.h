/* SPDX-License-Identifier: MIT */
/*
 * Microsoft's source annotations, which driver sources carry and other compilers do not know: all empty here.
 */
#ifndef SMARTCRD_SAL_H
#define SMARTCRD_SAL_H
#ifndef _WIN32

#define IN
#define OUT
#define OPTIONAL
#define CONST const

#define _In_
#define _In_opt_
#define _In_z_
#define _In_opt_z_
#define _In_reads_(n)
#define _In_reads_opt_(n)
#define _In_reads_bytes_(n)
#define _In_reads_bytes_opt_(n)
#define _In_reads_z_(n)
#define _In_range_(low, high)
#define _Inout_
#define _Inout_opt_
#define _Inout_updates_(n)
#define _Inout_updates_bytes_(n)
#define _Inout_updates_bytes_opt_(n)
#define _Out_
#define _Out_opt_
#define _Out_writes_(n)
#define _Out_writes_opt_(n)
#define _Out_writes_z_(n)
#define _Out_writes_to_(n, m)
#define _Out_writes_bytes_(n)
#define _Out_writes_bytes_opt_(n)
#define _Out_writes_bytes_to_(n, m)
#define _Out_writes_bytes_to_opt_(n, m)
#define _Out_writes_bytes_all_(n)
#define _Outptr_
#define _Outptr_opt_
#define _Outptr_result_maybenull_
#define _Outptr_result_bytebuffer_(n)
#define _Reserved_
#define _Ret_maybenull_
#define _Ret_notnull_
#define _Must_inspect_result_
#define _Check_return_
#define _Success_(e)
#define _Post_
#define _Pre_
#define _Post_satisfies_(e)
#define _Pre_satisfies_(e)
#define _At_(target, a)
#define _When_(e, a)
#define _On_failure_(a)
#define _Always_(a)
#define _Use_decl_annotations_
#define _Function_class_(c)
#define _Dispatch_type_(t)
#define _IRQL_requires_(l)
#define _IRQL_requires_max_(l)
#define _IRQL_requires_min_(l)
#define _IRQL_requires_same_
#define _IRQL_raises_(l)
#define _IRQL_saves_
#define _IRQL_restores_
#define _IRQL_saves_global_(k, p)
#define _IRQL_restores_global_(k, p)
#define _Acquires_lock_(l)
#define _Releases_lock_(l)
#define _Requires_lock_held_(l)
#define _Requires_lock_not_held_(l)
#define _Acquires_exclusive_lock_(l)
#define _Releases_exclusive_lock_(l)
#define _Guarded_by_(l)
#define _Interlocked_operand_
#define _Kernel_clear_do_init_(x)
#define _Strict_type_match_
#define _Field_size_(n)
#define _Field_size_bytes_(n)
#define _Null_terminated_
#define _Points_to_data_
#define _Frees_ptr_opt_
#define _Analysis_mode_(m)
#define _Analysis_assume_(e)
#define _Printf_format_string_
#define _Enum_is_bitflag_
#define __drv_allocatesMem(k)
#define __drv_freesMem(k)
#define __drv_aliasesMem
#define __drv_preferredFunction(f, r)
#define __drv_dispatchType(t)
#define __analysis_assume(e)

#endif
#endif
