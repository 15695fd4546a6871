"""Measurements: of training steps, of single operations, and of the kernels' machine code. Each module is a command.

`python -m benchmarks.kernels` and `python -m benchmarks.ladder` need no GPU: they read what the compiler made, count
memory accesses on the CPU, and never claim a GPU's time.
"""
