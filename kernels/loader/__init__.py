"""The loader turns a launch in Python into a running kernel.

Its files in reading order:

    signature.py    read the parameter lists of the kernels from their source text
    arguments.py    check the arguments of a launch against such a list
    source.py       the sources as text: includes put in place, and which kernels need the exact path on the CPU
    cpu_source.py   turn CUDA C++ into C++ (with the headers of kernels/on_cpu/)
    machine.py      this machine: the CPU's features, the threads of a launch, the folder of cached builds
    cpu.py          build a file by the C++ compiler and launch its kernels on NumPy arrays
    cuda.py         build a file by NVRTC and launch its kernels on CuPy arrays
    cubin.py        build a file for Hopper GPUs (sm_90a), which CuPy does not do
    cuda_build.py   build several files by NVRTC ahead of time, in parallel
"""
