"""The command line: one module per command, each a thin face over one public function."""
