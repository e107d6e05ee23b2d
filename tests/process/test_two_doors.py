"""What sends everything twice says so; what sends to two places, or as two agents, does not."""

import pytest

from prefactor_otel.devserver import DevServer
from tests.process.scripts import localhost, run_script

TWICE = "each arrives twice: keep one of them"
BESIDE = """
import prefactor_otel
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prefactor_otel import PrefactorExporter

provider = prefactor_otel.configure(agent_name="porter")
provider.add_span_processor(BatchSpanProcessor(PrefactorExporter({arguments})))
provider.get_tracer("agent").start_span("step").end()
provider.force_flush()
provider.get_tracer("agent").start_span("step").end()
"""


@pytest.mark.parametrize(
    ("arguments", "lines"), [('agent_name="porter"', 1), ('agent_name="another"', 0)]
)
def test_a_second_door_that_sends_the_same_is_told_once(
    api: DevServer, arguments: str, lines: int
) -> None:
    done = run_script(BESIDE.format(arguments=arguments), localhost(api), api.token)
    assert done.code == 0, done.stderr
    assert done.stderr.count(TWICE) == lines
    assert len(api.spans()) == 4
