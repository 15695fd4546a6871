"""The first day with a GPU: one command that builds, checks and times everything on it, in at most nine minutes.

    python -m benchmarks.gpu --out FOLDER            everything; FOLDER/gpu.json is rewritten after each section
    python -m benchmarks.gpu --only machine build    some sections
    python -m benchmarks.gpu --report gpu.json       the tables of such a file, on any machine

It runs from a checkout as it is: nothing is installed, and without PyTorch its rivals are left out. A section is a page
of this folder, and runs in a process of its own with a deadline, so that an error of the GPU, or a hang, ends that
section alone. Before the first one the command writes down what it expects (predictions.py).

    sized.py          what a section is given: the sizes of its work, and where its results go
    findings.py       the file of results
    environment.py, compiling.py, ceilings.py, correctness.py, graphs.py, racing.py, launch_times.py, plans.py,
    tools.py          the sections, in the order in which they run; a short page each, even below 40 lines
    tables.py         its tables
    predictions.py    a model of the step's time, written before anything is measured
    operations.py     the other operations of a step
    products.py       the matrix products of a training step's convolutions, which two sections go through
"""
