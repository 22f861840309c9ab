"""Signal functions, arrays in and arrays out: filters, resampling, windows, quality."""
