"""OTLP over HTTP, by real senders, to the command in a process of its own."""
