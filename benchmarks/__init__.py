"""Measurements: of training steps, of single operations, and of the kernels' machine code. Each module is a command.

`benchmarks.step`, `ops` and `scaling` time ours against PyTorch, `step` against JAX, too; `table` and `roofline_plot`
show what they wrote. `benchmarks.kernels` and `ladder` need no GPU: they read what the compiler made, count memory
accesses on the CPU, and never claim a GPU's time.
"""
