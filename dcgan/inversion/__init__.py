"""From a picture back to its z, and the completion of pictures with a hole: docs/invert.md explains both."""
