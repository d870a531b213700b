"""What can be trained and embedded: one method per file, each from a movie to a model folder, and to a table."""
