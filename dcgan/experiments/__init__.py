"""What the commands share that repeat the experiments of Radford et al. (2016), sections 4 to 6: docs/paper.md."""
