"""Where images are kept: read into memory at once, packed into a file, or decoded into one while training runs."""
