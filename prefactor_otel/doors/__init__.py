"""What others call: the exporter, the processor, the provider, and blocks that are runs."""
