"""The log door: content that instrumentations put into log records, and not on their spans."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from opentelemetry._logs import get_logger_provider
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, export

from prefactor_otel.doors.base import Handle, hand_over, usable_sender
from prefactor_otel.host.first_use import FirstUses
from prefactor_otel.host.nesting import processors_of
from prefactor_otel.mapping.dialects.events import RECORDED
from prefactor_otel.spans.logs import EVENT_NAME
from prefactor_otel.spans.sdk import record_of
from prefactor_otel.stats.log import logger

if TYPE_CHECKING:
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
elif hasattr(export, "LogRecordExporter"):
    from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
else:  # as older SDKs call them
    LogRecordExporter, LogRecordExportResult = export.LogExporter, export.LogExportResult


class PrefactorLogProcessor(LogRecordProcessor):
    """Shows what a model was asked and has answered, where instrumentations write that into log
    records (``gen_ai.client.inference.operation.details``, ``gen_ai.user.message``,
    ``gen_ai.choice``, ...) and not on their spans.

    Add it to any ``LoggerProvider`` of the SDK. Records go with the span in which they were
    emitted, as its events do, when that is sent by ``sender``: an exporter, a processor or what
    ``configure()`` returned; by default whatever sends spans to Prefactor in this process, be it
    set up before or after. Other records pass it by, and stay in the process.
    """

    def __init__(self, sender: Handle | None = None) -> None:
        self._sender = usable_sender(sender)

    def on_emit(self, log_record: "ReadWriteLogRecord") -> None:
        """Called by the SDK for every record; returns at once and never raises."""
        try:
            record = log_record.log_record
            name: object = record.event_name
            if name is None and type(record.body) is not str:  # of a line of text nobody asks
                attributes = record.attributes
                name = attributes.get(EVENT_NAME) if attributes is not None else None
            if name in RECORDED:
                self._hand_over(str(name), record)
        except Exception as error:
            logger.warning("A log record was missed: %s", type(error).__name__)

    def _hand_over(self, name: str, given: "LogRecord") -> None:
        record = record_of(name, given)
        if record is not None:
            hand_over(record, self._sender)

    def enabled(self, *, event_name: str | None = None, **_: object) -> bool:
        """Whether a record of this name may be of use in here."""
        return event_name is None or event_name in RECORDED

    def shutdown(self) -> None:
        """Nothing waits in here."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True: nothing waits in here."""
        return True


_OF_RECORDS: Final = (LogRecordProcessor, LogRecordExporter)


def open_log_door() -> None:
    """Have the global logger provider, if there is one of the SDK, hand records to whatever sends
    spans in this process."""
    provider = get_logger_provider()
    if isinstance(provider, LoggerProvider):
        _open(provider)


def _open(provider: LoggerProvider) -> None:
    doors = processors_of(provider, _OF_RECORDS)
    if not any(isinstance(each, PrefactorLogProcessor) for each in doors):
        provider.add_log_record_processor(PrefactorLogProcessor())


class AutoInstrumentationLogExporter(LogRecordExporter):
    """What stands behind ``OTEL_LOGS_EXPORTER=prefactor``, and behind ``prefactor:`` under the
    ``logger_provider`` of a file: it opens the log door of its provider before that is used.

    What comes to an exporter comes too late, often after its span: nothing of it is used. There is
    nothing to be set, either: options are those of what sends spans.
    """

    def __init__(self, /, **options: object) -> None:
        if options:
            logger.warning(
                "The prefactor exporter of logs has no options, and takes those of the exporter of "
                "spans: nothing reads %s",
                ", ".join(sorted(options)),
            )
        _FIRST_USES.tell(self, lambda _, provider: _open(provider))

    def export(self, batch: Sequence[object]) -> LogRecordExportResult:
        """Called by the SDK for records that have come in already, as far as they are of use."""
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing waits in here."""

    def force_flush(self, timeout_millis: float = 30_000) -> bool:
        """True: nothing waits in here."""
        return True


_FIRST_USES: Final[FirstUses[AutoInstrumentationLogExporter, LoggerProvider]] = FirstUses(
    LoggerProvider, "get_logger", _OF_RECORDS
)
