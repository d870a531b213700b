"""pintrack: global cell tracking, solved exactly, with learned costs and pinned annotations."""

__version__ = "0.1.0"
