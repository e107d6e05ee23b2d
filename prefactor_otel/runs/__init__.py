"""From spans to operations: whose run a span is in, and in which order spans become records."""
