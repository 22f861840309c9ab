"""What a worker answers: one module for each kind of request that needs more than a call."""
