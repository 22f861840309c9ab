"""What outlives a process: recordings, jobs, results, reviews, deliveries and the audit trail.

SQLite by default; PostgreSQL where several replicas share the work. ``tables`` says what is held,
``connection`` opens it and brings it up to date (``migrations``), and the other modules are
functions on an open session, one module for each kind of thing.
"""
