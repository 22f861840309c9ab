"""The networks, one module each. They need PyTorch; the registry imports them on first use."""
