"""What ending a span costs whoever ends it: the same, however much waits."""

import threading
from collections.abc import Callable
from statistics import median

from opentelemetry.sdk.trace import ReadableSpan

from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.benchmarks.hot_path import steps_of
from tests.made_spans import Recorder
from tests.patience import PATIENCE

WHILE = 60.0
"""Seconds for which the worker leaves what comes to wait for company."""


def ended(count: int) -> list[ReadableSpan]:
    recorder = Recorder()
    for _ in range(count):
        recorder.tracer.start_span("step").end()
    return list(recorder.spans)


def steps_each(work: Callable[[ReadableSpan], object], spans: list[ReadableSpan]) -> list[int]:
    return [steps_of(lambda span=span: work(span)) for span in spans]  # type: ignore[misc]


def test_the_end_of_a_span_takes_as_many_steps_however_many_wait(api: DevServer) -> None:
    processor = PrefactorSpanProcessor(
        api.url, api.token, schedule_delay=WHILE, max_batch_size=8_000, shutdown_timeout=PATIENCE
    )
    *spans, first = ended(6_001)
    processor.on_end(first)
    assert processor.force_flush()  # else each span wakes a worker that is not up yet
    few = steps_each(processor.on_end, spans[:200])
    for span in spans[200:-200]:
        processor.on_end(span)
    many = steps_each(processor.on_end, spans[-200:])
    assert median(many) == median(few)
    processor.shutdown()
    assert processor.stats().acknowledged == 6_001


def test_a_span_that_is_given_up_takes_no_more_steps_the_longer_that_goes_on(
    api: DevServer,
) -> None:
    processor = PrefactorSpanProcessor(
        api.url, api.token, schedule_delay=WHILE, max_batch_size=8_000, max_queue_size=50
    )
    spans = ended(4_000)
    for span in spans[:200]:
        processor.on_end(span)
    early = steps_each(processor.on_end, spans[200:300])
    for span in spans[300:-100]:
        processor.on_end(span)
    late = steps_each(processor.on_end, spans[-100:])
    assert median(late) <= median(early)
    stats = processor.stats()
    assert stats.accepted == 4_000
    assert stats.accepted == stats.acknowledged + stats.waiting + sum(stats.dropped.values())
    processor.shutdown()


def test_what_was_accepted_never_becomes_less_while_many_threads_end_spans(api: DevServer) -> None:
    processor = PrefactorSpanProcessor(
        api.url, api.token, schedule_delay=0.0, shutdown_timeout=PATIENCE
    )
    tracer = TracerProvider(span_processors=[processor], shutdown_on_exit=False).get_tracer("a")

    def work() -> None:
        for _ in range(500):
            tracer.start_span("step").end()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    before = 0
    while any(thread.is_alive() for thread in threads):
        now = processor.stats()
        assert now.accepted >= before
        assert now.accepted == now.acknowledged + now.waiting + sum(now.dropped.values())
        before = now.accepted
    for thread in threads:
        thread.join()
    assert processor.stats().accepted == 2_000
    processor.shutdown()
    assert processor.stats().acknowledged == 2_000
