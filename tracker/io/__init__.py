"""Reading and writing: one format per file."""
