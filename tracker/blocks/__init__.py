"""Block-wise solving: parts of a problem solved one by one, one certificate for all, and seams mended."""
