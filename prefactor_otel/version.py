"""The name and version of this package; the build reads the version here.

Not asked of the installed metadata: to find it takes longer than most of the import.
"""

from typing import Final

PACKAGE: Final = "prefactor-otel"
__version__ = "0.1.0"
