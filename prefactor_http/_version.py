"""Name and version that this client presents itself under: those of the client it stands in for."""

PACKAGE_NAME = "prefactor-http"
PACKAGE_VERSION = "0.4.3"
__version__ = PACKAGE_VERSION
