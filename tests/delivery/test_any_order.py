"""Whatever happens to what waits, in whatever order: it is sent once, after what it names, and
whoever waits for it is told what became of it."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from prefactor_otel.delivery.batch import Batch
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Item, Operation, SpanRef
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.stats.counters import Counters, DropReason
from prefactor_otel.stats.log import QuietLog

RUNS = 3
FATES = ("taken", "refused", "put off", "unanswered")


@dataclass
class World:
    """An outbox, what was put into it, and what has become of that."""

    outbox: Outbox
    counters: Counters
    is_short: bool
    """Whether it is so small that things go which nobody here is told of."""
    put: int = 0
    spans: int = 0
    begun: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    created: set[SpanRef | None] = field(default_factory=set)
    refs: dict[str, list[SpanRef]] = field(default_factory=dict)
    open: list[tuple[str, SpanRef]] = field(default_factory=list)
    leased: list[Batch] = field(default_factory=list)
    outcomes: dict[str, bool] = field(default_factory=dict)
    owed: list[tuple[Receipt, set[str]]] = field(default_factory=list)
    waiting: dict[str, Item] = field(default_factory=dict)

    def add(self, items: list[Item], *, watched: bool) -> None:
        receipt = Receipt() if watched else None
        for item in items:
            self.waiting[item.key] = item
            self.put += 1
            self.spans += item.ends_span
            self.counters.accept(int(item.ends_span))
        self.outbox.put(items, receipt)
        if receipt is not None:
            receipt.seal()
            self.owed.append((receipt, {item.key for item in items}))

    def of_spans(self, run: str) -> list[str]:
        """What waits of the spans of a run."""
        return [k for k, item in self.waiting.items() if item.run == run and item.span is not None]

    def settle(self, batch: Batch, *, lost: bool) -> None:
        self.outbox.settle(batch)
        if lost:
            self.counters.drop(DropReason.REFUSED, batch.spans)
        else:
            self.counters.acknowledge(batch.spans)
        for item in batch.items:
            assert item.key not in self.outcomes, "settled twice"
            self.outcomes[item.key] = not lost
            del self.waiting[item.key]
            if not lost and item.operation is Operation.CREATE:
                self.created.add(item.span)
            if not lost and item.operation is Operation.START:
                self.started.add(item.run)
        batch.resolve(lost=lost)


def opened(world: World, run: str) -> list[Item]:
    world.begun.add(run)
    steps = (Operation.REGISTER, Operation.START)
    return [Item(run, step, f"{run}-{step}", b"") for step in steps]


def new_span(world: World, run: str, choice: int) -> Item:
    ref = SpanRef((world.put + 1).to_bytes(16, "big"))
    refs = world.refs.setdefault(run, [])
    parent = refs[choice % len(refs)] if refs and choice % 4 else None
    refs.append(ref)
    is_open = choice % 3 == 0
    if is_open:
        world.open.append((run, ref))
    key = f"create-{world.put}"
    return Item(run, Operation.CREATE, key, b"x" * (choice % 50), ref, parent, not is_open)


def put_something(world: World, choice: int, *, watched: bool) -> None:
    run = f"run {choice % RUNS}"
    if run in world.ended:
        return
    if run not in world.begun:
        world.add(opened(world, run), watched=watched)
    elif choice % 11 == 0:
        world.ended.add(run)
        world.add([Item(run, Operation.FINISH_RUN, f"{run}-finish_run", b"")], watched=watched)
    elif choice % 5 == 0 and world.open:
        of, ref = world.open.pop()
        item = Item(of, Operation.FINISH_SPAN, f"finish-{world.put}", b"", ref, None, True)
        if of not in world.ended:
            world.add([item], watched=watched)
    else:
        world.add([new_span(world, run, choice)], watched=watched)


def lease(world: World, choice: int) -> None:
    found = world.outbox.lease_about_runs(1 + choice % 2) if choice % 3 == 0 else []
    if not found:
        spans = world.outbox.lease(1 + choice % 6, 3000)
        found = [spans] if spans is not None else []
    for batch in found:
        world.leased.append(batch)
        batch.attempts += 1
        here: set[SpanRef | None] = set()
        for item in batch.items:
            if item.operation is Operation.FINISH_RUN:
                left = world.of_spans(item.run)
                assert world.is_short or not left, "the end of a run before its spans"
            if item.span is None:
                continue
            assert item.run in world.started, "a span before its run is open"
            named = item.parent if item.operation is Operation.CREATE else item.span
            is_there = named is None or named in world.created or named in here
            assert is_there or named in world.outbox.unrecorded.parents, (
                "a span before what it names"
            )
            here.add(item.span)


def answer(world: World, choice: int) -> None:
    if not world.leased:
        return
    batch = world.leased.pop(choice % len(world.leased))
    if batch.is_about_run:
        if choice % 4:
            world.settle(batch, lost=False)
    else:
        fates = [FATES[(choice + place * choice) % len(FATES)] for place in range(len(batch))]
        fates = fates if choice % 2 else [fates[0]] * len(fates)
        for fate, part in world.outbox.line.apart(batch, fates):
            if fate == "taken":
                world.settle(part, lost=False)
            elif fate == "refused":
                world.outbox.leave_unrecorded(part)
                world.settle(part, lost=True)
            elif fate == "put off":
                part.not_before = float("inf")
    world.outbox.release([batch])


def act(world: World, choice: int) -> None:
    kind, choice = choice % 8, choice // 8
    if kind < 4:
        put_something(world, choice, watched=choice % 2 == 0)
    elif kind == 4:
        lease(world, choice)
    elif kind == 5:
        answer(world, choice)
    elif kind == 6:
        receipt = Receipt()
        world.outbox.watch(receipt)
        receipt.seal()
        world.owed.append((receipt, set(world.waiting)))
    elif choice % 5 == 0:
        world.leased.clear()
        world.outbox.recover()
    else:
        world.outbox.hurry()


def deliver_all(world: World) -> None:
    world.leased.clear()
    world.outbox.recover()
    world.outbox.hurry()
    while True:
        before = len(world.outcomes)
        lease(world, 0)
        lease(world, 5)
        for batch in world.leased:
            world.settle(batch, lost=False)
            world.outbox.release([batch])
        world.leased.clear()
        if len(world.outcomes) == before:
            return


def lived(max_items: int, choices: list[int]) -> World:
    """What has become of a queue of so many items when all of this is over."""
    counters = Counters()
    outbox = Outbox(Budget(max_items), counters, QuietLog(), max_items=4)
    world = World(outbox, counters, is_short=max_items < 100)
    for choice in choices:
        act(world, choice)
    deliver_all(world)
    assert len(world.outbox) == world.outbox.size == world.outbox.queued == 0
    assert counters.waiting == 0
    return world


lives = st.lists(st.integers(0, 10_000), max_size=80)


@settings(max_examples=100, deadline=None)
@given(lives)
def test_everything_is_sent_once_in_order_and_told(choices: list[int]) -> None:
    world = lived(10_000, choices)
    assert world.waiting == {}
    for receipt, keys in world.owed:
        assert receipt.future.result(0) is all(world.outcomes[key] for key in keys)


@settings(max_examples=100, deadline=None)
@given(lives)
def test_what_goes_for_want_of_room_is_told_and_hurts_nothing_else(choices: list[int]) -> None:
    world = lived(9, choices)
    for receipt, keys in world.owed:
        told = receipt.future.result(0)
        assert told is not None
        assert not told or all(world.outcomes.get(key, True) for key in keys)
    sent = {key for key, is_taken in world.outcomes.items() if is_taken}
    for run in {key.removesuffix("-start") for key in sent if key.endswith("-start")}:
        if run in world.ended:
            assert f"{run}-finish_run" in sent, "a run was begun, and not ended"
