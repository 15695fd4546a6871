"""Exchange of trained networks with other programs: a page for each kind of file, weights.py for what is in all."""
