"""ZIP archives of recordings."""
