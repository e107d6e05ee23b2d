"""Our manners in a process that is not ours: its end, its signals, its threads, its telemetry."""
