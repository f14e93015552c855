"""Our slots as a bucket of pyrate-limiter: what `Limiter` calls, and nothing else.

`Limiter.try_acquire` puts an item, and when that is refused asks `waiting` how long to sleep and
puts the same item again. So a fresh item is always refused without touching the store, `waiting`
books its slot, and the second `put` sleeps the last fraction of a millisecond and looks at how late
it woke. One transaction per permit; only who is refused a slot asks again.
"""

import time
from typing import Protocol

from pyrate_limiter import AbstractBucket, Rate, RateItem, SingleBucketFactory
from pyrate_limiter.abstracts.algorithm import ADMITTED, Decision

from tmdb_assets.limiter.cooldown import Pace
from tmdb_assets.limiter.slots import GRACE_NS, MS, VOID_NS, WINDOW_NS

PATIENT_AFTER = 50
"""Questions in a row without a slot, a second's worth: who waits for an older run that long asks
for every other slot only, and gets half of the trouble for one slot that may go by unused."""


class SlotStore(Protocol):
    """Where the slots are kept; its times are those of its own `now_ns`.

    Attributes:
        name: what to call it in a message; without a password.
        born: birth of this run, by which elder and younger are told.
    """

    name: str
    born: int

    def book(self) -> tuple[int | None, int]:
        """Book the next slot: it, or None, and the nanoseconds until it or until asking again."""
        ...

    def write_back(self, late_ns: int) -> None:
        """Tell the others of a late departure."""
        ...

    def refused(self, left_ns: int, asked_ns: int) -> Pace:
        """Heed a 429 to a request that left at `left_ns`; Retry-After asks for `asked_ns`."""
        ...

    def pace(self) -> Pace:
        """Return how the limiter stands."""
        ...

    def reset(self) -> None:
        """Forget all; nobody sends for a second and a half."""
        ...

    def now_ns(self) -> int:
        """Return the time that slots are told in."""
        ...

    def check_open(self) -> None:
        """Raise if the store failed or was closed."""
        ...

    def close(self) -> None:
        """Make every waiting and future call raise."""
        ...


class SlotItem(RateItem):
    """An item on its way to a permit.

    Attributes:
        slot_ns: the slot it has booked, if any.
        news: how many refusals were known when it did.
    """

    slot_ns: int | None = None
    news = 0


class SlotBucket(AbstractBucket):
    """The bucket. One thread at a time: whoever stands at the door.

    Attributes:
        admitted_ns: slot of the item that was admitted last.
    """

    is_async = False

    def __init__(self, store: SlotStore, requests_per_second: int) -> None:
        super().__init__()
        self.rates = [Rate(requests_per_second, 1000)]
        self.admitted_ns = 0
        self._refused = Decision(failing_rate=self.rates[0])
        self._store = store
        self._news = 0
        self._in_vain = 0

    def heed_news(self) -> None:
        """Have whoever waits for a slot book again: a pause has begun. From any thread."""
        self._news += 1

    def put(self, item: RateItem) -> bool:
        """Admit an item whose slot has come; refuse a fresh one, or one whose slot is void."""
        self._store.check_open()
        slot_ns = _slot_item(item).slot_ns
        if slot_ns is None or (early_ns := slot_ns - self._store.now_ns()) > GRACE_NS:
            return self._record(item, self._refused)
        if early_ns > 0:
            time.sleep(early_ns / 1e9)
        overslept = self._store.now_ns() - slot_ns > VOID_NS
        if overslept or _slot_item(item).news != self._news:
            _slot_item(item).slot_ns = None
            return self._record(item, self._refused)
        self.admitted_ns = slot_ns
        return self._record(item, ADMITTED)

    def waiting(self, item: RateItem) -> int:
        """Book a slot for an item without one; return whole milliseconds to sleep.

        Rounded down when a slot is booked, since `put` sleeps the rest, else up.
        """
        slot_item = _slot_item(item)
        if slot_item.slot_ns is not None:
            return max(0, slot_item.slot_ns - self._store.now_ns()) // MS
        slot_item.news = self._news
        slot_item.slot_ns, wait_ns = self._store.book()
        if slot_item.slot_ns is not None:
            self._in_vain = 0
            return wait_ns // MS
        self._in_vain += 1
        if self._in_vain > PATIENT_AFTER:
            wait_ns += WINDOW_NS // self.rates[0].limit
        return -(-wait_ns // MS)

    def leak(self, current_timestamp: int | None = None) -> int:  # noqa: ARG002 - the base's name
        """Return 0: nothing is kept that could leak."""
        return 0

    def flush(self) -> None:
        """Refuse: forgetting what left would break the cap.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("the slots of a shared limiter cannot be flushed")

    def count(self) -> int:
        """Return 0: slots are not kept one by one."""
        return 0

    def peek(self, index: int) -> RateItem | None:  # noqa: ARG002 - the base's name
        """Return None: slots are not kept one by one."""
        return None


class SlotFactory(SingleBucketFactory):
    """Makes the items of a `SlotBucket`; starts no thread that leaks what is never kept."""

    def __init__(self, bucket: SlotBucket) -> None:
        super().__init__(bucket, schedule_leak=False)

    def wrap_item(self, name: str, weight: int = 1) -> SlotItem:
        """Return a fresh item.

        Raises:
            ValueError: `weight` is not 1: one permit is one request.
        """
        if weight != 1:
            raise ValueError(f"a permit is for one request: weight must be 1, not {weight}")
        return SlotItem(name, 0)


def _slot_item(item: RateItem) -> SlotItem:
    if not isinstance(item, SlotItem):
        raise TypeError("a SlotBucket takes items of its SlotFactory only")
    return item
