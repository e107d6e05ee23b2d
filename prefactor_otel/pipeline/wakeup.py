"""How other threads wake the one that does the work, which rests while there is none."""

import asyncio

from prefactor_otel.pipeline.inbox import NEVER, Inbox


class Wakeup:
    """One for all threads that do the work, one after another. ``ring`` may be called from any
    thread, and by a signal handler amid any of these; all else is the thread's own."""

    def __init__(self, inbox: Inbox) -> None:
        self.is_urgent = False
        """Whether somebody waits: what has come is to wait for no company."""
        self._inbox = inbox
        self._is_awake = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event = asyncio.Event()

    def renew(self) -> None:
        """For the next thread, whose first look is at the inbox: until then nobody need tell it."""
        self._loop, self._is_awake = None, True
        self._inbox.rest(0)

    def attach(self) -> None:
        """From now on whoever rings wakes the running loop."""
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def detach(self) -> None:
        """The loop runs no more."""
        self._loop = None

    def ring(self, *, urgent: bool) -> None:
        """Have somebody look at the inbox soon, and at once where it is urgent."""
        # Who is in a hurry tells the loop himself: whoever has found it asleep may be amid these
        # lines, on the thread that a signal handler has interrupted and holds up.
        if self._is_awake and not urgent:
            return
        loop = self._loop
        try:
            self._is_awake = True
            self.is_urgent = self.is_urgent or urgent
            if loop is not None and not loop.is_closed():
                self._inbox.rest(NEVER)
                loop.call_soon_threadsafe(self._event.set)
        except BaseException as error:
            if isinstance(error, RuntimeError) and loop is not None and loop.is_closed():
                return  # it has closed between the check and the call
            # A handler of the application's has raised amid these lines: who comes next rings.
            self._is_awake = False
            self._inbox.rest(0)
            raise

    def set(self) -> None:
        """Wake the loop, from a callback of its own."""
        self._event.set()

    async def until_set(self, seconds: float) -> None:
        """Sleep until something of the loop's own wakes it, but not for longer."""
        await _wait(self._event, seconds)

    def clear(self) -> None:
        """What has been set is seen to."""
        self._event.clear()

    async def until_more_than(self, entries: int, seconds: float | None) -> None:
        """Sleep until more is in the inbox, or somebody wakes this, but not for longer."""
        self._is_awake = False
        self._event.clear()
        self._inbox.rest(entries)
        # What has come meanwhile has told nobody.
        if len(self._inbox.entries) <= entries and not (self.is_urgent or self._inbox.is_closed):
            await _wait(self._event, seconds)
        self._is_awake = True

    def rise(self) -> None:
        """From now on the thread looks at the inbox by itself."""
        self._is_awake = True
        self._inbox.rest(NEVER)


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):  # no task of its own for the wait
            await event.wait()
    except TimeoutError:
        return
