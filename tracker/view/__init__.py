"""Seeing and correcting a lineage: what a viewer shows and what keys do, then the napari window that shows it."""
