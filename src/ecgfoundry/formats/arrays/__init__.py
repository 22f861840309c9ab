"""NumPy, HDF5 and Parquet files."""
