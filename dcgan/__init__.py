"""Deep convolutional GANs: models, data, the two training steps, and the commands train, generate and prepare."""
