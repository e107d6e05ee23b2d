"""What became of every span: counters, log lines, metrics."""
