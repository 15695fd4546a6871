// Counts the memory requests of warps in kernels compiled as C++. __init__.py calls it, and build.py builds it.
//
// The compiler's race detection (-fsanitize=thread) calls a function before each access to memory, with the address.
// Usually these functions are in a library of the compiler; here they are at the end of this file. When the lanes of a
// warp (its 32 threads) pass an instruction for the n-th time, their accesses form one request, as on a GPU. The
// addresses of a request give
//   global memory   the 32-byte sectors that it touches
//   shared memory   the wavefronts that it needs: in each, 32 banks of 4 bytes answer with one word apiece; accesses
//                   wider than 4 bytes go in groups of lanes that want 128 bytes together
// If Python asks for it, faults.h looks at each access, too, for races and accesses beyond the ends of arrays.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <tuple>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

enum Space { GLOBAL, SHARED, SPACES };
enum Kind { LOAD, STORE, ATOMIC, KINDS };
// needed: sectors or wavefronts. least: sectors if the same bytes lay side by side, wavefronts without bank conflicts.
struct Count { int64_t requests, bytes, needed, least; };

struct Passes {  // the accesses of one warp at one instruction, in one block
    Space space;
    Kind kind;
    size_t bytes;
    int array;  // its number among the kernel's arrays, -1 for shared memory
    std::vector<uintptr_t> addresses[32];  // by lane, in the order of its passes
};
using Addresses = std::vector<uintptr_t>;

// build.py adds these two to the kernel: the number of the running thread in its block, or -1 if the address is private
// to it, and the number of the running block.
extern "C" int trace_thread(const void* address);
extern "C" long long trace_block();

static std::map<std::pair<int, const void*>, Passes> passes;  // of (warp, instruction) in the present block
static long long block = -1;  // the number of the present block
struct Array {
    uintptr_t begin, end;
    int number;  // among the kernel's arrays
};
static std::map<uintptr_t, Array> global_arrays;  // by the begin, or by that of the margin in front of it
static Count counts[SPACES][KINDS];
// The worst request of each kind, the first where several needed as much: its array, and the addresses of its lanes.
struct Worst { int64_t needed, array, lanes, addresses[32]; };
static Worst worst[SPACES][KINDS];

#include "faults.h"

// Sort the numbers and keep each once.
static Addresses distinct(Addresses numbers) {
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return numbers;
}

// Memory is cut into pieces of `size` bytes; return the numbers of those that accesses of `bytes` bytes touch.
static Addresses pieces(const uintptr_t* first, const uintptr_t* last, size_t bytes, size_t size) {
    Addresses touched;
    for (; first < last; ++first)
        for (uintptr_t piece = *first / size; piece <= (*first + bytes - 1) / size; ++piece) touched.push_back(piece);
    return distinct(touched);
}

// Return the wavefronts that a group of lanes needs: the number of different words in the fullest bank.
static int wavefronts(const uintptr_t* first, const uintptr_t* last, size_t bytes) {
    int worst = 0, in_bank[32] = {};  // one word serves all lanes that read it
    for (uintptr_t word : pieces(first, last, bytes, 4)) worst = std::max(worst, ++in_bank[word % 32]);
    return worst;
}

static void remember_worst(const Passes& pass, const Addresses& request, int64_t needed) {
    Worst& kept = worst[pass.space][pass.kind];
    if (needed <= kept.needed) return;
    kept = {needed, pass.array, int64_t(request.size()), {}};
    std::copy(request.begin(), request.end(), kept.addresses);
}

static void count_request(const Passes& pass, const Addresses& request) {
    Count& count = counts[pass.space][pass.kind];
    const int64_t before = count.needed;
    const uintptr_t *first = request.data(), *last = first + request.size();
    count.requests += 1;
    count.bytes += request.size() * pass.bytes;
    if (pass.space == GLOBAL) {
        count.needed += pieces(first, last, pass.bytes, 32).size();
        count.least += (distinct(request).size() * pass.bytes + 31) / 32;
        return remember_worst(pass, request, count.needed - before);
    }
    const size_t group = 128 / std::max(pass.bytes, size_t(4));
    for (; first < last; first += group) {
        count.needed += wavefronts(first, std::min(first + group, last), pass.bytes);
        count.least += 1;
    }
    remember_worst(pass, request, count.needed - before);
}

// At the end of a block, turn its passes into requests.
EXPORT void trace_end_of_block() {
    for (const auto& [place, pass] : passes)
        for (size_t n = 0;; ++n) {
            Addresses request;
            for (const Addresses& lane : pass.addresses)
                if (n < lane.size()) request.push_back(lane[n]);
            if (request.empty()) break;
            count_request(pass, request);
        }
    passes.clear();
}

static void enter_block() {
    if (block == trace_block()) return;
    trace_end_of_block();
    forget_block();
    block = trace_block();
}
// A thread has reached a barrier of its block, or of its warp.
EXPORT void trace_barrier(int thread, bool whole_block) {
    enter_block();
    ++(whole_block ? barriers : warp_barriers)[thread];
}

// Forget all counts. The arrays from begins[i] to ends[i] are global memory, every other address is shared memory.
// margin_bytes: how many bytes before and behind each array belong to nobody; with `watch` faults are looked for.
EXPORT void trace_begin(int arrays, const uintptr_t* begins, const uintptr_t* ends, size_t margin_bytes, bool watch) {
    passes.clear();
    global_arrays.clear();
    words[false].clear();
    forget_block();
    std::fill(&counts[0][0], &counts[0][0] + SPACES * KINDS, Count{});
    std::fill(&worst[0][0], &worst[0][0] + SPACES * KINDS, Worst{});
    std::fill(faults, faults + FAULTS, FaultsOfKind{});
    margin = margin_bytes;
    watching = watch;
    block = -1;
    for (int i = 0; i < arrays; ++i) global_arrays[begins[i] - margin] = {begins[i], ends[i], i};
}
// The kernel's arrays in shared memory lie between begin and end, with memory of nobody's between them.
EXPORT void trace_shared(int arrays, const uintptr_t* begins, const uintptr_t* ends, uintptr_t begin, uintptr_t end) {
    shared_arrays.clear();
    for (int i = 0; i < arrays; ++i) shared_arrays.push_back({begins[i], ends[i]});
    shared_begin = begin;
    shared_end = end;
}
EXPORT const Count* trace_counts() { return &counts[0][0]; }
EXPORT const Worst* trace_worst() { return &worst[0][0]; }
EXPORT const FaultsOfKind* trace_faults() { return faults; }

static void record(const volatile void* pointer, size_t bytes, Kind kind, const void* place) {
    const uintptr_t address = uintptr_t(pointer);
    const int thread = trace_thread((const void*) pointer);
    if (thread < 0) return;
    enter_block();
    auto after = global_arrays.upper_bound(address);
    const Array* array = after == global_arrays.begin() ? nullptr : &(--after)->second;
    if (array && address >= array->end + margin) array = nullptr;
    const Touch touch = {block, thread, barriers[thread], warp_barriers[thread], 0, kind != LOAD, kind == ATOMIC, place};
    int number = array ? array->number : watching ? shared_array(address) : -1;
    uintptr_t begin = array ? array->begin : 0, end = array ? array->end : ~uintptr_t(0);
    if (number < -1) std::tie(begin, end) = shared_arrays[-2 - number];
    const int64_t byte = address - begin;
    if (address < begin || address + bytes > end) return note(OUTSIDE, touch, number, byte, nullptr);
    if (watching) watch_access(address, bytes, touch, number, byte);
    Passes& pass = passes[{thread / 32, place}];
    pass.space = array ? GLOBAL : SHARED;
    pass.kind = kind;
    pass.bytes = bytes;
    pass.array = array ? array->number : -1;
    // A GPU's allocator aligns arrays to 32 bytes and more, so count as if this array began at a multiple of 32.
    pass.addresses[thread % 32].push_back(array ? byte + array->begin / 32 * 32 : address);
}

// ---- functions that the compiler calls; the address of the caller identifies the instruction

#define HERE __builtin_return_address(0)
#define ACCESS(bytes) \
    EXPORT void __tsan_read##bytes(void* p) { record(p, bytes, LOAD, HERE); } \
    EXPORT void __tsan_write##bytes(void* p) { record(p, bytes, STORE, HERE); } \
    EXPORT void __tsan_unaligned_read##bytes(void* p) { record(p, bytes, LOAD, HERE); } \
    EXPORT void __tsan_unaligned_write##bytes(void* p) { record(p, bytes, STORE, HERE); }
ACCESS(1) ACCESS(2) ACCESS(4) ACCESS(8) ACCESS(16)
EXPORT void __tsan_read_range(void* p, size_t bytes) { record(p, bytes, LOAD, HERE); }
EXPORT void __tsan_write_range(void* p, size_t bytes) { record(p, bytes, STORE, HERE); }
EXPORT void* __tsan_memcpy(void* to, const void* from, size_t bytes) {  // clang's; g++ calls memcpy itself
    record(from, bytes, LOAD, HERE);
    record(to, bytes, STORE, HERE);
    return std::memcpy(to, from, bytes);
}
EXPORT void* __tsan_memset(void* to, int value, size_t bytes) {
    record(to, bytes, STORE, HERE);
    return std::memset(to, value, bytes);
}
EXPORT void __tsan_init() {}
EXPORT void __tsan_func_entry(void*) {}
EXPORT void __tsan_func_exit(void*) {}

// An atomic update is a load and then a compare-and-swap; the swap is counted.
#define ATOMICS(bits, T) \
    EXPORT T __tsan_atomic##bits##_load(const volatile T* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); } \
    EXPORT void __tsan_atomic##bits##_store(volatile T* p, T x, int) { __atomic_store_n(p, x, __ATOMIC_SEQ_CST); } \
    EXPORT bool __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* expected, T x, int, int) { \
        record(p, sizeof(T), ATOMIC, HERE); \
        return __atomic_compare_exchange_n(p, expected, x, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    }
ATOMICS(32, int32_t) ATOMICS(64, int64_t)
EXPORT void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
