"""What of AutoGen's extensions the view has."""

__version__ = "0.7.5"
