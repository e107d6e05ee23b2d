"""Which frameworks an exception at the start of a span stops: tried, and written down."""
