"""OTLP over HTTP in, agent spans out: one more door, for whatever speaks OpenTelemetry."""
