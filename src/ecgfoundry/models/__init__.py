"""Networks, bundles and the hub."""
