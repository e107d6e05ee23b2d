"""One worker a process: what other threads hand in, and the thread that takes it."""
