"""Measurements of training steps, single operations, reading pictures, and the kernels' machine code.

Benchmarks are run from the checkout, in its root folder; they are not part of the installed packages. The commands:

    python -m benchmarks.step              time training steps against PyTorch and JAX
    python -m benchmarks.ops               time single operations against PyTorch
    python -m benchmarks.scaling           plot time and memory over batch, width and picture size; --ranks: time ranks
    python -m benchmarks.cluster           a model on paper of many GPUs and machines
    python -m benchmarks.table             turn the JSON file of step or ops into a table
    python -m benchmarks.roofline_plot     plot the operations that ops measured under the machine's peaks
    python -m benchmarks.pipeline          time the reading of pictures, to the first step and per step
    python -m benchmarks.losses            check that losses do not depend on the convolutions' algorithm
    python -m benchmarks.storage           check that losses with 16 bits between layers are those of float32
    python -m benchmarks.label_accuracy    check that a conditional generator draws the class it is told
    python -m benchmarks.kernels           print registers, spills, occupancy and GPU limits of every kernel
    python -m benchmarks.launches          print the launches of a step and their bytes by kind, fused and unfused
    python -m benchmarks.ladder            print memory requests and instructions of the teaching ladders
    python -m benchmarks.gpu               build, check and time everything on a GPU, in one go

kernels, launches and ladder need no GPU: they read what the compiler made, run the launch code without the kernels, and
count memory accesses on the CPU. Times that they
print are limits computed from published figures, never measurements. Three folders hold what the commands share:

    measure/    the machine, the timing, the work of a step, the tables
    rivals/     PyTorch's and JAX's training steps, and their comparison with ours
    static/     machine code, instructions, memory requests and GPU limits, without running on a GPU

Beside the commands lie their parts: op_cases (ops), processes and once (step, scaling), generation (step), turns and
jpegs (pipeline).
"""
