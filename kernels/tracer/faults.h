// Finds two kinds of mistakes in a traced kernel (trace.cpp): accesses beyond the ends of an array, and races.
//
// A race: two threads touch the same bytes, at least one of them writes, not both by an atomic, and nothing says who
// comes first. In one block __syncthreads() says so, and within a warp __syncwarp(). Two blocks have no order at all.
// Threads run one after another here, so the result may be right all the same: on a GPU it would be luck.

#include <dlfcn.h>

#include <unordered_map>

enum Fault { OUTSIDE, SHARED_RACE, GLOBAL_RACE, FAULTS };

// The number of faults of one kind, and the first of them: who touched what, and the thread that it races with.
// `array` and `byte` say where: array is the number of a kernel's array, -2 - n for shared array n of trace_shared, or
// -1 for other shared memory. Byte 0 is the first one of the array, negative ones lie before it.
struct FaultsOfKind {
    int64_t count, block, thread, writes, line_address, array, byte, other_block, other_thread, other_writes,
        other_line_address;
};
static FaultsOfKind faults[FAULTS];

struct Touch {  // an access to a word of 4 bytes
    long long block;
    int thread;
    int64_t barriers, warp_barriers;  // how many of either the thread had passed
    unsigned bytes;                   // a bit for each byte of the word
    bool writes, atomic;
    const void* place;
};

struct Word {
    std::vector<Touch> now;      // since the last barrier of the present block
    std::vector<Touch> of_block;  // before it: the first read and the first write, which only other blocks race with
    std::vector<Touch> before;   // by earlier blocks: the first read and the first write
};

static bool watching = false;
static size_t margin = 0;  // bytes on either side of each array, which belong to nobody
static std::vector<std::pair<uintptr_t, uintptr_t>> shared_arrays;  // begin, end
static uintptr_t shared_begin = 0, shared_end = 0;                  // all that lies here is in one of them, or a fault
static std::unordered_map<uintptr_t, Word> words[2];  // global, shared
static int64_t barriers[1024], warp_barriers[1024];   // by thread of the present block

// The compiler's number of the place of a call within this library, for a program that turns it into a line.
static int64_t line_address(const void* place) {
    Dl_info info;
    return place && dladdr(place, &info) ? (const char*) place - (const char*) info.dli_fbase - 1 : 0;
}

static void note(Fault kind, const Touch& touch, int array, int64_t byte, const Touch* other) {
    FaultsOfKind& found = faults[kind];
    if (found.count++) return;
    found = {1, touch.block, touch.thread, touch.writes, line_address(touch.place), array, byte, 0, 0, 0, 0};
    if (!other) return;
    found.other_block = other->block;
    found.other_thread = other->thread;
    found.other_writes = other->writes;
    found.other_line_address = line_address(other->place);
}

// Return the number of the shared array that an address lies in, or else is nearest to, as `array` of a fault has it.
static int shared_array(uintptr_t address) {
    int nearest = -1;
    uintptr_t least = ~uintptr_t(0);
    if (address < shared_begin || address >= shared_end) return -1;
    for (size_t n = 0; n < shared_arrays.size(); ++n) {
        const auto [begin, end] = shared_arrays[n];
        const uintptr_t far = address < begin ? begin - address : address < end ? 0 : address - end + 1;
        if (far < least) least = far, nearest = -2 - int(n);
    }
    return nearest;
}

static bool ordered(const Touch& a, const Touch& b) {
    if (a.block != b.block) return false;
    if (a.thread == b.thread || a.barriers != b.barriers) return true;
    return a.thread / 32 == b.thread / 32 && a.warp_barriers != b.warp_barriers;
}

static bool race(const Touch& a, const Touch& b) {
    return (a.bytes & b.bytes) && (a.writes || b.writes) && !(a.atomic && b.atomic) && !ordered(a, b);
}

// Keep of these touches one that writes and one that reads, and not by an atomic if there is such a one.
static void fold(std::vector<Touch>& touches, std::vector<Touch>& into) {
    for (const Touch& touch : touches) {
        bool known = false;
        for (const Touch& kept : into)
            known |= kept.writes == touch.writes && kept.atomic == touch.atomic && !(touch.bytes & ~kept.bytes);
        if (!known) into.push_back(touch);
    }
    touches.clear();
}

static void touch_word(Word& word, const Touch& touch, Fault kind, int array, int64_t byte) {
    if (!word.now.empty() && word.now.back().barriers != touch.barriers && word.now.back().block == touch.block)
        fold(word.now, word.of_block);
    if ((!word.now.empty() && word.now.back().block != touch.block) ||
        (!word.of_block.empty() && word.of_block.back().block != touch.block)) {
        fold(word.now, word.of_block);
        fold(word.of_block, word.before);
    }
    bool known = false;
    for (const std::vector<Touch>* earlier : {&word.now, &word.before})
        for (const Touch& other : *earlier) {
            if (race(touch, other)) return note(kind, touch, array, byte, &other);
            known |= other.thread == touch.thread && other.block == touch.block && other.writes == touch.writes &&
                     other.warp_barriers == touch.warp_barriers && other.bytes == touch.bytes;
        }
    if (!known) word.now.push_back(touch);
}

// Watch an access to `bytes` bytes at an address of a global array, or of shared memory (array -1).
static void watch_access(uintptr_t address, size_t bytes, Touch touch, int array, int64_t byte) {
    const bool shared = array < 0;
    for (uintptr_t at = address; at < address + bytes;) {
        const uintptr_t word = at / 4, end = std::min(address + bytes, (word + 1) * 4);
        touch.bytes = ((1u << (end - at)) - 1) << at % 4;
        touch_word(words[shared][word], touch, shared ? SHARED_RACE : GLOBAL_RACE, array, byte);
        at = end;
    }
}

static void forget_block() {
    words[true].clear();
    std::fill(barriers, barriers + 1024, 0);
    std::fill(warp_barriers, warp_barriers + 1024, 0);
}
