"""What a run declares of its spans: their types, what these may do, and which are sent."""
