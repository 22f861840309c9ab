"""ECG paper drawn true to scale."""
