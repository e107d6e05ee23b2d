"""``python -m prefactor_otel``: the command line, where its script is not on the path."""

from prefactor_otel.cli import main

main()
