"""PFIDs, the platform's ids: made, read and checked."""

from prefactor_otel_transport.pfid import (
    MAX_PARTITION,
    MAX_RANDOM,
    MAX_TIMESTAMP_MS,
    decode,
    encode,
    generate,
    is_pfid,
    partition_of,
)

__all__ = [
    "MAX_PARTITION",
    "MAX_RANDOM",
    "MAX_TIMESTAMP_MS",
    "decode",
    "encode",
    "generate",
    "is_pfid",
    "partition_of",
]
