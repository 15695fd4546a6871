"""The measuring itself: machine, timing, workloads and their FLOPs, shared options, rows and tables."""
