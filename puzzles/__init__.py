"""Twenty puzzles: backward passes to write in NumPy, and kernels in CUDA C++ that need no GPU.

    python -m puzzles                   lists them, with those that are solved
    python -m puzzles --start paint     writes my-puzzles/paint.py: what to do, and a function to fill in
    python -m puzzles paint             checks it: what is right, and what is wrong

A puzzle is a page: numpy/NAME.py or cuda/NAME.py holds its text, stub, hint, cases and the classic mistakes by which
wrong answers are recognised. solutions/ holds a solution of each. What the other files do:

    table.py        the puzzles in their order
    __main__.py     the command line            progress.py   what is solved
    run.py          starts child.py, in which the reader's code runs, with a limit of time
    arrays.py       judges answers in NumPy     kernels.py    judges kernels, and counts what they do
"""
