// A thread block on one CPU core: the scheduler of its fibers (fibers.h), barriers and warp-wide instructions.

struct Fiber {
    Context context;
    FiberState state;
    Index3 index;    // threadIdx of this fiber
    unsigned mask;   // lanes that take part in the warp-wide instruction that this fiber waits for
    void* operands;  // the fiber's operands of that instruction, on its own stack
};

static thread_local Index3 gridDim, blockDim, blockIdx, threadIdx;
constexpr int warpSize = 32, MOST_THREADS = 1024;

struct BlockRunner {
    Context scheduler = {};
    Fiber fibers[MOST_THREADS] = {};
    unsigned waiting[MOST_THREADS / 32] = {};  // a mask per warp: lanes that wait for a warp-wide instruction
    char* stacks = nullptr;
    char* shared = nullptr;
    int shared_bytes = 0, threads = 0, current = 0;
    bool fresh = false;
    void (*kernel)(const void*) = nullptr;
    const void* arguments = nullptr;

    bool prepare(const Launch& launch);
    int run_block();
    void wait(FiberState state) {
        fibers[current].state = state;
        switch_context(&fibers[current].context, &scheduler);
    }
};
static thread_local BlockRunner* runner = nullptr;

// A fiber's main function: run one thread of the kernel, report that it is done, wait for the next block, repeat.
static void fiber_main() {
    for (;;) {
        runner->kernel(runner->arguments);
        runner->wait(DONE);
    }
}

inline bool BlockRunner::prepare(const Launch& launch) {
    const Index3 block = launch.block;
    threads = block.x * block.y * block.z;
    for (int i = 0; i < threads; ++i) fibers[i].index = {i % block.x, i / block.x % block.y, i / (block.x * block.y)};
    if (!stacks) {
        void* memory = mmap(nullptr, MOST_THREADS * STACK_STRIDE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) return false;
        stacks = (char*) memory;
        fresh = true;
    }
    if (shared_bytes < launch.shared_bytes) {
        delete[] shared;
        shared = new (std::align_val_t(128)) char[shared_bytes = launch.shared_bytes];
    }
    return true;
}

// Run the fibers in turn, each as far as it can go, until all are done. Returns an error if no fiber can go on.
inline int BlockRunner::run_block() {
    if (fresh)  // first use, or an earlier launch left fibers in the middle
        for (int i = 0; i < MOST_THREADS; ++i) make_context(&fibers[i].context, stacks + i * STACK_STRIDE, fiber_main);
    fresh = false;
    for (int i = 0; i < threads; ++i) fibers[i].state = READY;
    for (unsigned& lanes : waiting) lanes = 0;
    for (;;) {
        bool progress = false;
        int done = 0, at_barrier = 0;
        for (current = 0; current < threads; ++current) {
            Fiber& fiber = fibers[current];
            if (fiber.state == READY) {
                threadIdx = fiber.index;
                switch_context(&scheduler, &fiber.context);
                progress = true;
            }
            done += fiber.state == DONE;
            at_barrier += fiber.state == AT_BARRIER;
        }
        if (done == threads) return OK;
        if (at_barrier == threads)
            for (int i = 0; i < threads; ++i) fibers[i].state = READY;
        else if (!progress) {
            fresh = true;
            return at_barrier + done == threads ? STUCK_AT_BARRIER : STUCK_IN_WARP;
        }
    }
}

inline void __syncthreads() { runner->wait(AT_BARRIER); }

// Carry out an instruction of the lanes in `mask`. A lane leaves its operands and waits; the last lane to arrive calls
// execute(operands of each lane, mask) for all of them, and then all go on.
template <class Operands>
inline void warp_collective(unsigned mask, Operands& mine, void (*execute)(Operands* const* lanes, unsigned mask)) {
    const int first = runner->current / warpSize * warpSize;
    const int lanes = min(warpSize, runner->threads - first);
    if (lanes < warpSize) mask &= (1u << lanes) - 1;
    Fiber* warp = runner->fibers + first;
    unsigned& waiting = runner->waiting[first / warpSize];
    Fiber& me = runner->fibers[runner->current];
    me.mask = mask;
    me.operands = &mine;
    waiting |= 1u << (runner->current - first);
    if ((waiting & mask) != mask) return runner->wait(AT_WARP);
    Operands* all[warpSize] = {};
    for (int lane = 0; lane < lanes; ++lane)
        if (mask >> lane & 1) {
            if (warp[lane].mask != mask) return runner->wait(AT_WARP);  // it waits for other lanes: stuck
            all[lane] = (Operands*) warp[lane].operands;
        }
    execute(all, mask);
    for (int lane = 0; lane < lanes; ++lane)
        if (mask >> lane & 1) warp[lane].state = READY;
    waiting &= ~mask;
}

// Run a kernel on the exact path: blocks are spread over OpenMP threads, each of which has its own runner.
template <class Arguments>
int run_exact(const Launch& launch, const Arguments& arguments, void (*kernel)(const void*)) {
    const Index3 grid = launch.grid;
    const long long blocks = (long long) grid.x * grid.y * grid.z;
    int error = OK;
#pragma omp parallel for schedule(dynamic) num_threads(launch.workers) if (launch.workers > 1)
    for (long long b = 0; b < blocks; ++b) {
        int failed = 0;
        __atomic_load(&error, &failed, __ATOMIC_RELAXED);
        if (failed) continue;
        if (!runner) runner = new BlockRunner();
        gridDim = grid;
        blockDim = launch.block;
        blockIdx = {int(b % grid.x), int(b / grid.x % grid.y), int(b / grid.x / grid.y)};
        runner->kernel = kernel;
        runner->arguments = &arguments;
        failed = runner->prepare(launch) ? runner->run_block() : int(NO_MEMORY);
        if (failed) __atomic_store(&error, &failed, __ATOMIC_RELAXED);
    }
    return error;
}
