"""report.html: a result to look at, in one file that opens anywhere."""
