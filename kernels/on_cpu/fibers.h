// The exact path: one fiber (a stack and a saved stack pointer) per CUDA thread, so that threads can wait.
//
// Blocks are spread over OpenMP threads; each runs the fibers of its block in turn. A fiber runs until it waits:
//   __syncthreads()       until every thread of the block waits there
//   warp_collective(...)  until every lane of the mask waits there; the last lane to arrive carries out the whole
//                         warp's instruction (shuffle, mma), then all go on
// If no fiber can go on, the launch ends with an error instead of hanging. Threads of one block never run at the same
// time here, so a missing barrier may go unnoticed.

#include <sys/mman.h>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif

enum FiberState { READY, AT_BARRIER, AT_WARP, DONE };
enum LaunchError { OK, STUCK_AT_BARRIER, STUCK_IN_WARP, NO_MEMORY };
constexpr size_t STACK_BYTES = 256 * 1024;
constexpr size_t STACK_STRIDE = STACK_BYTES + 4096 + 320;  // no power of two: the tops would share one cache set

// Switch stacks: save the registers that a called function must keep, and the stack pointer; load those of another
// fiber.
#if defined(__x86_64__)
typedef void* Context;
extern "C" __attribute__((visibility("hidden"))) void switch_context(Context* from, Context* to);
asm(R"(.text
.hidden switch_context
.globl switch_context
.type switch_context, @function
switch_context:
    pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
    popq %rcx
    jmp *%rcx
.size switch_context, .-switch_context
)");
inline void make_context(Context* context, char* stack, void (*main)()) {
    void** top = (void**) (stack + STACK_BYTES - 64);  // 16-byte aligned, as the calling convention wants
    top[6] = (void*) main;                             // six zero registers, then the address to return to
    *context = top;
}
#elif defined(__aarch64__)
typedef void* Context;
extern "C" __attribute__((visibility("hidden"))) void switch_context(Context* from, Context* to);
asm(R"(.text
.hidden switch_context
.globl switch_context
.type switch_context, %function
switch_context:
    sub sp, sp, #160
    stp x19, x20, [sp, #0];  stp x21, x22, [sp, #16]; stp x23, x24, [sp, #32]; stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]; stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96];   stp d10, d11, [sp, #112]; stp d12, d13, [sp, #128]; stp d14, d15, [sp, #144]
    mov x9, sp;  str x9, [x0];  ldr x9, [x1];  mov sp, x9
    ldp x19, x20, [sp, #0];  ldp x21, x22, [sp, #16]; ldp x23, x24, [sp, #32]; ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]; ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96];   ldp d10, d11, [sp, #112]; ldp d12, d13, [sp, #128]; ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size switch_context, .-switch_context
)");
inline void make_context(Context* context, char* stack, void (*main)()) {
    void** top = (void**) (stack + STACK_BYTES - 160);
    top[11] = (void*) main;  // x30, the link register
    *context = top;
}
#else
typedef ucontext_t Context;
inline void switch_context(Context* from, Context* to) { swapcontext(from, to); }
inline void make_context(Context* context, char* stack, void (*main)()) {
    getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = STACK_BYTES;
    makecontext(context, main, 0);
}
#endif
