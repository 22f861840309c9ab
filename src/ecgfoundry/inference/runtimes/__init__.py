"""The engines that run a network's graph."""
