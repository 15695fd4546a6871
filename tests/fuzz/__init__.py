"""Fuzzing: thousands of files and words that nobody would make on purpose, read by the real commands.

    python -m tests.fuzz --seed 1 --count 5000        many cases; those that fail are kept and printed
    python -m tests.fuzz --seed 1 --case 4711         one case again, by its number

changes.py     mutations of bytes, numbers, texts and trees of values
readers/       for every reader of files or words: small sound inputs, and mutations that know their structure
task.py        what is to be done with an input
guards.py      watches a case: what it opens, starts and writes outside its folder
worker.py      the helper process: makes inputs, gives them to the project, judges what comes of them
pool.py        starts helpers within limits, and tells a death or a hang
kills.py       kills trainings at random moments and compares the resumed runs with one that was left alone

A case is a pure function of the seed and its number.
"""
