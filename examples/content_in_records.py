"""What was asked and answered stands in log records, and is shown with the call all the same."""

from opentelemetry._logs import LogRecord, get_logger, set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider

import prefactor_otel

set_logger_provider(LoggerProvider())  # with whatever else reads your logs
provider = prefactor_otel.configure()  # reads those of model calls, because this is set


def instrumented_call(question: str) -> str:
    """What an instrumentation does that keeps content off its spans."""
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "example-model"}
    logger, answer = get_logger("instrumentation"), "Forty-two."
    with provider.get_tracer("instrumentation").start_as_current_span("chat", attributes=call):
        logger.emit(LogRecord(event_name="gen_ai.user.message", body={"content": question}))
        said = LogRecord(
            event_name="gen_ai.choice",
            body={"index": 0, "message": {"role": "assistant", "content": answer}},
        )
        logger.emit(said)
    return answer


print(instrumented_call("What is the answer?"))
get_logger("shop").emit(LogRecord(body="stays in the process: it is no call of a model"))

provider.shutdown()
print(f"{provider.stats().unmatched_records} records without their span")
