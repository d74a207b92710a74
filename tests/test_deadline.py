"""A limit on time: kept inside calls, nested, and without a trace afterwards."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress

import pytest

from mlefit import deadline

TIMER = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer that interrupts")


def slow(seconds=5.0):
    """Somebody's code: it never looks at a clock of ours, and goes on after any error."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            sum(range(1000))
        except Exception:
            continue


def took(work):
    before = time.monotonic()
    work()
    return time.monotonic() - before


@TIMER
def test_a_call_that_never_looks_at_the_clock_is_left():
    def work():
        with pytest.raises(TimeoutError), deadline.within(0.1):
            slow()

    assert took(work) < 2


@TIMER
def test_nothing_is_left_behind():
    handler = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeoutError), deadline.within(0.05):
        slow()
    with deadline.within(10):
        pass
    with pytest.raises(KeyError), deadline.within(10):
        raise KeyError
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert deadline.left() == float("inf")


@TIMER
def test_the_earlier_of_two_limits_counts():
    with pytest.raises(TimeoutError), deadline.within(0.1), deadline.within(10):
        slow()
    with deadline.within(10):
        with pytest.raises(TimeoutError), deadline.within(0.1):
            slow()
        assert 5 < deadline.left() < 10


@TIMER
def test_the_limit_outside_is_kept_after_one_inside():
    def inner():
        with deadline.within(0.05):
            slow()

    def again():
        while True:
            with pytest.raises(TimeoutError):
                inner()
            slow(0.02)

    def work():
        with pytest.raises(TimeoutError), deadline.within(0.3):
            again()

    assert took(work) < 3


@TIMER
@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e-6, 1e-3])
def test_no_time_at_all_is_no_time_and_leaves_no_timer(seconds):
    with pytest.raises(TimeoutError), deadline.within(seconds):
        pytest.fail("there was no time for this")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert deadline.left() == float("inf")


@TIMER
def test_an_alarm_of_the_callers_own_still_rings():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.15)
        with deadline.within(0.05), pytest.raises(deadline.Expired):
            slow()
        slow(0.3)
        assert rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_in_a_thread_the_limit_is_kept_where_the_work_looks():
    found = []

    def work():
        handler = signal.getsignal(signal.SIGALRM) if hasattr(signal, "SIGALRM") else None
        try:
            with deadline.within(0.05):
                assert not deadline.interrupts()
                while True:
                    deadline.check()
                    time.sleep(0.01)
        except TimeoutError:
            found.append(handler == (signal.getsignal(signal.SIGALRM) if hasattr(signal, "SIGALRM") else None))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(5)
    assert found == [True]


def test_no_limit_is_none():
    with deadline.within(float("inf")):
        assert deadline.left() == float("inf")
        deadline.check()


@TIMER
def test_polling_at_the_very_end_leaves_nothing_behind():
    """Work that looks at the clock all the time sees the end before the signal comes."""

    def work():
        with suppress(TimeoutError), deadline.within(0.02):
            while True:
                deadline.check()

    def again():
        with deadline.within(0.05):
            while True:
                work()

    for _ in range(60):
        with pytest.raises(TimeoutError):
            again()
        assert deadline.left() == float("inf")
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
