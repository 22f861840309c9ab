"""Training data: sources, windows, batches, augmentation."""
