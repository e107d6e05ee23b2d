"""Measurements, not tests: ``python -m tests.benchmarks`` runs them and prints tables.

``suite`` has a module a benchmark, ``peers`` a file a peer, ``sink`` the backend that all of them
talk to. ``measure`` runs each round in a process of its own (``child``), ``report`` shows what was
found. ``workload`` and ``driving`` make the spans, ``sizes`` says how many.
"""
