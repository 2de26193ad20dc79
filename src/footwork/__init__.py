"""footwork: from an idea for a niche image category to an honest image classifier."""

__version__ = "0.1.0"
