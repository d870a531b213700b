"""Learned scores for the tracker: what they are (table), and the methods that produce them."""
