"""What several readers and writers share."""
