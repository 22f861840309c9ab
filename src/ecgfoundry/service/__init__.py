"""The HTTP service: files in, findings out, live streams, and a page for people."""
