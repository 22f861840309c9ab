"""Laboratory values: the text of a result -> number, unit, indicator, and label of an ECG."""
