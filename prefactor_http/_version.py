"""Name and version that this client presents itself under: those of the client it stands in for."""

DISTRIBUTION = "prefactor-otel"
"""Which one has brought this package; the client that it stands in for says nothing of the kind."""
PACKAGE_NAME = "prefactor-http"
PACKAGE_VERSION = "0.4.3"
__version__ = PACKAGE_VERSION
