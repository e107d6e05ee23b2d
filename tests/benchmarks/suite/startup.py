"""What it costs to have the exporter at all."""

import time

from tests.benchmarks.driving import FLUSH_MILLIS, make, provider_with, tracer_of
from tests.benchmarks.measure import Case, Failed, Found, Lab, run
from tests.benchmarks.peers import Peer
from tests.benchmarks.workload import runs

PRESENT = {
    "bare": "",
    "SDK, pydantic and aiohttp imported": "import aiohttp, opentelemetry.sdk.trace, pydantic",
}
NOBODY = "http://127.0.0.1:9"
"""An address where connections are refused at once."""
_COLD = """
{present}
import time
cpu, wall = time.process_time(), time.perf_counter()
{construction}
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
import json, os
print(json.dumps({{"CPU, ms": cpu * 1000, "wall, ms": wall * 1000}}), flush=True)
os._exit(0)
"""


def measure(lab: Lab) -> None:
    """Import and construction, without and with a backend, and the first span."""
    for name, present in PRESENT.items():
        _cold(lab, f"import and construct, {name}", present, lab.sink.url)
    _cold(lab, "construct, dead API", "", NOBODY, imported=True)
    lab.compare(Case("startup", "first span", "startup:first"), lab.able("process"))


def _cold(lab: Lab, name: str, present: str, url: str, *, imported: bool = False) -> None:
    """Import and construct in an interpreter that has done nothing else."""
    case = Case("startup", name, "")
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(lab.sizes.starts):
        for peer in lab.able("export"):
            lab.say(f"startup: {name}: {peer.name}")
            construction = peer.construction(url)
            # Constructed once before, the imports are done, and only the second is measured.
            before = f"{present}\n{construction}" if imported else present
            source = _COLD.format(present=before, construction=construction)
            try:
                values = run(lab.environments.python(peer) or "", ["-P", "-c", source])
            except Failed as error:
                lab.failures.append(f"startup, {name}, {peer.name}: {error}")
                continue
            found.setdefault(peer.name, []).append(values)
    for peer_name, rounds in found.items():
        lab.keep(case, peer_name, rounds)


def first(peer: Peer, url: str) -> Found:
    """From construction, imports done before, to the acknowledgement of a first run's spans."""
    warm = provider_with(peer.processor(url))
    make(tracer_of(warm), runs("GenAI", "1 KB", 4)[0])
    warm.shutdown()
    run_of_agent = runs("GenAI", "1 KB", 4)[0]
    begun = time.perf_counter()
    processor = peer.processor(url)
    provider = provider_with(processor)
    make(tracer_of(provider), run_of_agent)
    processor.force_flush(FLUSH_MILLIS)
    taken = time.perf_counter() - begun
    provider.shutdown()
    return 8, {"wall, ms": taken * 1000}
