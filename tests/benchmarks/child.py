"""The measured process: runs one probe with one peer, prints what it found as JSON.

The checkout is not on its path (see ``measure``): in an environment of a peer's own,
``prefactor_http`` is the published one.
"""

import json
import sys
from importlib import import_module

from tests.benchmarks.peers import peers


def main() -> None:
    """The arguments: peer, ``module:function`` of the probe, URL of the sink, parameters."""
    name, probe, url, parameters = sys.argv[1:]
    module, function = probe.split(":")
    peer = next(peer for peer in peers() if peer.name == name)
    measure = getattr(import_module(f"tests.benchmarks.suite.{module}"), function)
    sent, values = measure(peer, url, **json.loads(parameters))
    print(json.dumps({"sent": sent, "values": values}))
