"""Names of units, as other formats want them."""

_NAMES = {
    **dict.fromkeys(("px", "pixels"), "pixel"),
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometers", "micrometre"), "micrometer"),
    **dict.fromkeys(("nm", "nanometers", "nanometre"), "nanometer"),
    **dict.fromkeys(("mm", "millimeters", "millimetre"), "millimeter"),
}


def ome_unit(unit: str) -> str:
    """The one name that OME-Zarr, and geff after it, have for a unit that people write in many ways."""
    return _NAMES.get(unit, unit)
