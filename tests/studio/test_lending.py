"""Long computations take turns, and a thread that has a place needs no second one."""

from __future__ import annotations

import threading
import time

from studio import networks


def test_no_more_than_some_compute_at_a_time() -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with networks.computing(), networks.computing():  # a second time costs no second place
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.02)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(3 * networks.AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert most == networks.AT_ONCE


def test_a_place_is_given_back_after_an_error() -> None:
    for _ in range(2 * networks.AT_ONCE):
        try:
            with networks.computing():
                raise ValueError("no")
        except ValueError:
            pass
    with networks.computing():
        pass
