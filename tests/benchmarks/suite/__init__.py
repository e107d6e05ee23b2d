"""The benchmarks, one module each: ``measure(lab)`` for the command, and its probes, which run in
the measured process and return how many spans they made and what they found."""
