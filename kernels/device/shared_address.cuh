// Addresses in shared memory, as the instructions for it take them: 32 bits on the GPU. There a pointer has 64 bits, and
// the compiler would work out the 32 of them again and again.

#ifdef ON_CPU
typedef char* SharedAddress;
inline SharedAddress shared_address(void* pointer) { return (char*) pointer; }
inline void* pointer_to(SharedAddress address) { return address; }
inline unsigned read_word(SharedAddress from) { unsigned word; std::memcpy(&word, from, 4); return word; }
inline void read_two_words(unsigned& left, unsigned& right, SharedAddress from) {
    unsigned words[2];
    std::memcpy(words, from, 8);  // one access, as on the GPU
    left = words[0], right = words[1];
}
inline void keep(int&) {}
template <class T> const T* element(const T* first, int index) { return first + index; }
inline void add_if(bool condition, int& number, int amount) { number += condition ? amount : 0; }
#else
typedef unsigned SharedAddress;
__device__ SharedAddress shared_address(void* pointer) { return (unsigned) __cvta_generic_to_shared(pointer); }
__device__ void* pointer_to(SharedAddress address) { return __cvta_shared_to_generic(address); }
__device__ unsigned read_word(SharedAddress from) {
    unsigned word;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(word) : "r"(from));
    return word;
}
__device__ void read_two_words(unsigned& left, unsigned& right, SharedAddress from) {  // a multiple of 8
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(left), "=r"(right) : "r"(from));
}
// Make the compiler hold a number in a register. Otherwise it may work it out again in every turn of a loop.
__device__ void keep(int& number) { asm volatile("" : "+r"(number)); }
__device__ void keep(unsigned& number) { asm volatile("" : "+r"(number)); }
// The address of a number of an array in one instruction. Otherwise the compiler may hold the index as 64 bits, in two
// registers, and add them by two instructions.
template <class T> __device__ const T* element(const T* first, int index) {
    const T* address;
    asm("mad.wide.s32 %0, %1, %2, %3;" : "=l"(address) : "r"(index), "n"((int) sizeof(T)), "l"(first));
    return address;
}
__device__ void add_if(bool condition, int& number, int amount) {
    asm("{ .reg .pred yes; setp.ne.u32 yes, %2, 0; @yes add.s32 %0, %0, %1; }"
        : "+r"(number) : "r"(amount), "r"((unsigned) condition));
}
#endif
