"""The one loop that computes for everybody.

Every round takes one decode step for all rows that write, and then reads one chunk of one prompt,
so a long prompt delays the others' streams by a chunk at a time. Prompts take turns chunk by chunk.
Slots are given in order of arrival, to those first who have no answer under way. What is no chat
gives its slot back for one. What nobody waits for is computed when nobody waits.

All of a request but its outbox and its two flags is touched by the loop's thread alone.
"""

import atexit
import logging
import threading
import weakref
from collections import Counter
from collections.abc import Iterable
from time import perf_counter, sleep

import torch

from yuan_demo.core.errors import EngineError
from yuan_demo.core.generation import FinishReason
from yuan_demo.engine.failures import Failure, failure_of
from yuan_demo.engine.metrics import EngineMetrics
from yuan_demo.engine.requests import Request
from yuan_demo.engine.slots import SlotPool
from yuan_demo.engine.stepper import Network, Pending, Stepper

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
"""Without work for so long the thread ends; the next request starts another one."""
_RUNNING: "weakref.WeakSet[Scheduler]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    # A thread that the interpreter ends within an operation of torch takes the process down with
    # "terminate called without an active exception".
    for scheduler in list(_RUNNING):
        scheduler.close(0.0)


MAX_FAILURES = 3
"""Passes that break one after the other before the engine says that it cannot go on."""


class Scheduler:
    """Runs requests over one network.

    Args:
        network: computes.
        stepper: takes decode steps of the network.
        metrics: are told what happens.
        chunk: tokens of a prompt read in one pass.

    Attributes:
        fault: why nothing can be computed any more; None while all is well.
    """

    def __init__(
        self, network: Network, stepper: Stepper, metrics: EngineMetrics, chunk: int
    ) -> None:
        self.chunk = chunk
        self.fault: Failure | None = None
        self._network = network
        self._stepper = stepper
        self._metrics = metrics
        self._pool = SlotPool(network.slots, network.rewind_block)
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._arrived: list[Request] = []
        self._waiting: list[Request] = []
        self._spare: list[Request] = []
        self._reading: list[Request] = []
        self._writing: list[Request] = []
        self._batch: list[Request] = []
        self._pending: Pending | None = None
        self._failures = 0
        self._closes_at: float | None = None

    # --- from other threads ---------------------------------------------------------------------

    def submit(self, request: Request) -> None:
        """Puts a request in line; what becomes of it comes through its outbox."""
        with self._wake:
            if self.fault is not None:
                request.fail(EngineError(self.fault))
                return
            if self._closes_at is not None:
                request.end("shutdown")
                return
            self._arrived.append(request)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
                self._thread.start()
                _RUNNING.add(self)
            self._wake.notify()

    def close(self, grace_seconds: float) -> None:
        """Takes no more requests, and ends those that are not done after a while."""
        with self._wake:
            self._closes_at = perf_counter() + grace_seconds
            thread = self._thread
            self._wake.notify()
        if thread is not None:
            thread.join(grace_seconds + 5.0)

    @property
    def running(self) -> int:
        """Requests that have a slot, those that nobody waits for left out."""
        return sum(request.kind != "prepare" for request in (*self._reading, *self._writing))

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return sum(request.kind != "prepare" for request in (*self._waiting, *self._arrived))

    @property
    def kept_tokens(self) -> int:
        """Tokens in slots that could be reused."""
        return self._pool.kept_tokens

    # --- the loop -------------------------------------------------------------------------------

    # Inference mode belongs to the thread; this one does nothing else.
    @torch.inference_mode()
    def _run(self) -> None:
        while self._wait_for_work():
            try:
                self._end_those_who_left()
                self._seat()
                self._write()
                self._read()
            except Exception as error:
                # Not of a pass, which are looked after where they are made: of the loop itself.
                logger.exception("the engine's loop failed")
                self._pending, self._batch = None, []
                self._fail(error, [*self._reading, *self._writing])
            waiting, running = len(self._waiting), self.running
            self._metrics.state(running, waiting, self._pool.kept_tokens)

    def _wait_for_work(self) -> bool:
        """Waits for something to do; False ends the thread."""
        with self._wake:
            while True:
                is_over = self._closes_at is not None or self.fault is not None
                if is_over:
                    self._spare.clear()
                if self._arrived or self._waiting or self._spare or self._reading or self._writing:
                    break
                if is_over or not (self._wake.wait(IDLE_SECONDS) or self._arrived):
                    self._thread = None
                    return False
            self._waiting += [request for request in self._arrived if request.kind != "prepare"]
            self._spare += [request for request in self._arrived if request.kind == "prepare"]
            self._arrived.clear()
        # The oldest are the least likely to be asked for still.
        del self._spare[: -self._network.slots]
        return True

    def _end_those_who_left(self) -> None:
        now = perf_counter()
        is_closing = self._closes_at is not None and now >= self._closes_at
        for request in [*self._waiting, *self._reading, *self._writing]:
            reason: FinishReason | None = None
            if request.is_cancelled:
                reason = "cancelled"
            elif is_closing:
                reason = "shutdown"
            elif request.deadline is not None and now >= request.deadline:
                reason = "deadline"
            if reason:
                request.end(reason)
                self._leave(request, reason)

    def _seat(self) -> None:
        """Gives slots to those in line; with nobody in line, to what may be asked for next."""
        if self._waiting:
            self._end_preparation()
        elif self._spare and not self._reading and not self._writing:
            self._seat_one(self._spare.pop())
        line = self._line()
        while line and (self._seat_one(line[0]) or self._make_way_for(line[0])):
            # Who has just got a slot comes after those who have none.
            line = self._line()
        for number, request in enumerate(line, start=1):
            request.stand(number)

    def _line(self) -> list[Request]:
        """Those who wait, next one first."""
        under_way = Counter(request.client for request in (*self._reading, *self._writing))
        return sorted(self._waiting, key=lambda request: _turn(request, under_way))

    def _seat_one(self, request: Request) -> bool:
        """Gives a request a slot with what it can take over; False if all are taken."""
        place = self._pool.take(request.prompt if request.kind == "read" else request.ids)
        if place is None:
            return False
        if request in self._waiting:
            self._waiting.remove(request)
        request.seat(place.slot, place.reused)
        self._metrics.seated(len(request.given), place.reused, request.timings.queue_seconds)
        self._reading.append(request)
        try:
            if place.source != place.slot:
                self._network.copy(place.source, place.slot, place.reused)
            if request.kind == "answer":
                self._stepper.seat(request)
        except Exception as error:
            # Nobody else's: what is copied is only read, and its slot is given back empty.
            self._fail(error, [request])
        return True

    def _make_way_for(self, request: Request) -> bool:
        """Puts what is no chat back in line for one that finds no place; whether a slot is free.

        It goes on from where it was: with its tokens, and the random numbers of their places.
        """
        asides = [each for each in (*self._reading, *self._writing) if each.is_aside]
        if request.kind != "answer" or request.is_aside or not asides:
            return False
        latest = asides[-1]
        try:
            # The token of a step that was launched ahead belongs to it.
            self._take()
        except Exception as error:
            self._pending, self._batch = None, []
            self._fail(error, list(self._writing), is_step=True)
            return False
        if not latest.has_ended:
            (self._writing if latest in self._writing else self._reading).remove(latest)
            self._pool.release(latest.slot, latest.ids[: latest.computed])
            latest.stand_back()
            self._waiting.append(latest)
        return True

    def _end_preparation(self) -> None:
        """Makes way for somebody who waits; what is computed stays in its slot."""
        for request in [request for request in self._reading if request.kind == "prepare"]:
            request.end("cancelled")
            self._leave(request, "cancelled")

    # --- writing: decode steps ------------------------------------------------------------------

    def _write(self) -> None:
        """Launches a step for all rows, and takes the tokens of the one before it."""
        try:
            if self._batch != self._writing:
                # Who is in the batch is told once; until then the old one must be through.
                self._take()
                self._batch = list(self._writing)
                if self._batch:
                    self._stepper.start(self._batch)
            if not self._batch:
                return
            for request in self._batch:
                request.computed += 1
            launched = self._stepper.launch()
            if self._stepper.depth:
                self._take()
            self._pending = launched
            if not self._stepper.depth:
                self._take()
            self._failures = 0
        except Exception as error:
            self._pending, self._batch = None, []
            self._fail(error, list(self._writing), is_step=True)

    def _take(self) -> None:
        """Hands out the tokens of the step that is under way."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        taken = 0
        for request, (token_id, scores) in zip(self._batch, pending.wait(), strict=True):
            # Those who left while it was computed had their last token before it.
            if not request.has_ended:
                taken += 1
                self._add(request, token_id, scores)
        self._metrics.stepped()
        self._metrics.generated(taken)

    def _add(self, request: Request, token_id: int, scores: object) -> None:
        reason = request.add(token_id, scores)
        if reason:
            self._leave(request, reason)

    # --- reading: chunks of prompts -------------------------------------------------------------

    def _read(self) -> None:
        """Reads a chunk of the prompt whose turn it is."""
        request = min(self._reading, key=lambda request: request.kind != "answer", default=None)
        if request is None:
            return
        # Takes turns: the next chunk is another one's.
        self._reading.remove(request)
        self._reading.append(request)
        try:
            self._read_chunk(request)
            self._failures = 0
        except Exception as error:
            self._fail(error, [request])

    def _read_chunk(self, request: Request) -> None:
        ids = request.ids
        end = request.chunk_end(self.chunk)
        keep = request.logits_wanted(end)
        logits = self._network.prefill(
            request.slot, request.computed, ids[request.computed : end], keep
        )
        request.computed = end
        self._pool.update(request.slot, ids[:end])
        if request.kind == "read":
            request.rate(logits)
        if end < len(ids):
            return
        if request.kind == "answer":
            self._reading.remove(request)
            self._writing.append(request)
            self._metrics.generated(1)
            self._add(request, *self._stepper.first(request, logits))
        else:
            request.finish_reading()
            self._leave(request, "stop")

    # --- leaving --------------------------------------------------------------------------------

    def _leave(self, request: Request, outcome: str, *, keeps: bool = True) -> None:
        """Takes a request out of the loop and gives its slot back with what it holds."""
        for place in (self._waiting, self._reading, self._writing):
            if request in place:
                place.remove(request)
        if request.slot >= 0:
            is_kept = keeps and request.is_kept
            self._pool.release(request.slot, request.ids[: request.computed] if is_kept else ())
            request.slot = -1
        self._metrics.ended(request.kind, outcome, request.timings)

    def _fail(self, error: Exception, requests: list[Request], *, is_step: bool = False) -> None:
        """A pass for some requests failed: ends as few of them as it can, others go on."""
        failure = failure_of(error)
        self._metrics.failed(failure)
        # Each of these ends one, so it cannot go on for ever; the next one's prompt may be shorter.
        if failure is not Failure.MEMORY or not requests:
            self._failures += 1
        if failure is Failure.LOST or self._failures >= MAX_FAILURES:
            logger.error("the engine stops: %s", failure, exc_info=error)
            with self._wake:
                self.fault = failure if failure is Failure.LOST else Failure.BROKEN
                self._waiting += self._arrived
                self._arrived.clear()
            self._pending, self._batch = None, []
            self._end_with([*self._waiting, *self._reading, *self._writing], self.fault)
            return
        logger.warning("a forward pass failed: %s", failure, exc_info=error)
        ended = requests
        if failure is Failure.MEMORY:
            _free_memory()
            # The latest goes: it made the others' memory too small.
            ended = requests[-1:]
        # In the middle of a batch that did not fail the way of stepping cannot be changed.
        elif is_step and self._stepper.simplify(error):
            ended = []
        self._end_with(ended, failure)
        for request in requests:
            if request not in ended:
                self._redo(request)

    def _end_with(self, requests: Iterable[Request], failure: Failure) -> None:
        for request in requests:
            request.fail(EngineError(failure, tokens=request.computed))
            self._leave(request, failure, keeps=False)

    def _redo(self, request: Request) -> None:
        """Computes again what a failed pass may have left half written."""
        request.restart(self._network.rewind_block)
        if request in self._writing:
            self._writing.remove(request)
            self._reading.append(request)
        try:
            if request.kind == "answer":
                self._stepper.seat(request)
        except Exception as error:
            self._end_with([request], failure_of(error))


def _turn(request: Request, under_way: Counter[str | None]) -> tuple[object, ...]:
    """Sorts the line: chats before all else, then who has none under way, then who came first."""
    busy = under_way[request.client] if request.client is not None else 0
    return request.kind != "answer" or request.is_aside, busy, request.submitted


def _free_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    # A CPU's allocator gives memory back by itself; whoever else needs it gets a moment.
    sleep(0.01)
