// Warp shuffles, votes and atomics for the exact path, in the names and meanings of CUDA.

template <class T>
struct Shuffle {
    T value;
    int source;  // lane to read from; the own lane where CUDA would read outside the segment
    T result;
};

template <class T>
inline T shuffle_from(unsigned mask, T value, int source) {
    Shuffle<T> mine = {value, source, value};
    warp_collective<Shuffle<T>>(mask, mine, [](Shuffle<T>* const* lanes, unsigned mask) {
        for (int lane = 0; lane < warpSize; ++lane)
            if (mask >> lane & 1 && lanes[lanes[lane]->source]) lanes[lane]->result = lanes[lanes[lane]->source]->value;
    });
    return mine.result;
}

inline int lane_index() { return runner->current % warpSize; }

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = warpSize) {
    return shuffle_from(mask, value, lane_index() / width * width + (source & (width - 1)));
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
    const int lane = lane_index();
    return shuffle_from(mask, value, lane % width >= (int) delta ? lane - (int) delta : lane);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
    const int lane = lane_index();
    return shuffle_from(mask, value, lane % width + (int) delta < width ? lane + (int) delta : lane);
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize) {
    const int lane = lane_index(), source = lane ^ lane_mask;
    return shuffle_from(mask, value, source / width <= lane / width ? source : lane);
}

struct Vote {
    bool predicate;
    unsigned result;
};
inline unsigned __ballot_sync(unsigned mask, int predicate) {
    Vote mine = {predicate != 0, 0};
    warp_collective<Vote>(mask, mine, [](Vote* const* lanes, unsigned mask) {
        unsigned votes = 0;
        for (int lane = 0; lane < warpSize; ++lane)
            if (mask >> lane & 1 && lanes[lane]->predicate) votes |= 1u << lane;
        for (int lane = 0; lane < warpSize; ++lane)
            if (mask >> lane & 1) lanes[lane]->result = votes;
    });
    return mine.result;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }
inline void __syncwarp(unsigned mask = 0xffffffffu) { __ballot_sync(mask, 0); }

// Atomics. They are real ones, since blocks run on several cores. All return the old value.
template <class T>
inline T atomicCAS(T* address, T expected, T desired) {
    __atomic_compare_exchange(address, &expected, &desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}
template <class T, class Update>
inline T atomic_update(T* address, Update update) {
    T old, desired;
    __atomic_load(address, &old, __ATOMIC_SEQ_CST);
    do desired = update(old);
    while (!__atomic_compare_exchange(address, &old, &desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return old;
}
template <class T> inline T atomicAdd(T* address, T value) {
    return atomic_update(address, [=](T old) { return T(old + value); });
}
template <class T> inline T atomicMax(T* address, T value) {
    return atomic_update(address, [=](T old) { return max(old, value); });
}
template <class T> inline T atomicMin(T* address, T value) {
    return atomic_update(address, [=](T old) { return min(old, value); });
}
template <class T> inline T atomicExch(T* address, T value) {
    return atomic_update(address, [=](T) { return value; });
}
