"""Threads of torch, in a process with several threads of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from clearcube.networks.threads import torch_threads


def test_afterwards_there_are_as_many_as_before_whoever_leaves_last():
    both, left = threading.Barrier(2), threading.Event()
    seen = {}

    def early():
        with torch_threads(1):
            both.wait()
        left.set()

    def late():
        with torch_threads(1):
            both.wait()
            left.wait()
        seen["late"] = torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        threads = [threading.Thread(target=each) for each in (early, late)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        asked = threading.Thread(target=lambda: seen.update(new=torch.get_num_threads()))
        asked.start()
        asked.join()
        assert seen == {"late": 3, "new": 3}
        with torch_threads(2):
            with torch_threads(1):
                assert torch.get_num_threads() == 1
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_thread_keeps_its_count_when_others_leave_and_remembers_none_of_long_ago():
    inside, left, seen = threading.Event(), threading.Event(), {}

    def stays():
        with torch_threads(1):
            inside.set()
            left.wait()
            seen["stays"] = torch.get_num_threads()

    def leaves():
        with torch_threads(1):
            inside.wait()
        left.set()

    def fresh(name):
        asked = threading.Thread(target=lambda: seen.update({name: torch.get_num_threads()}))
        asked.start()
        asked.join()

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        threads = [threading.Thread(target=each) for each in (stays, leaves)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert seen == {"stays": 1}
        with ThreadPoolExecutor(1) as pool:
            pool.submit(torch.get_num_threads).result()  # it knows 3 from now on
            torch.set_num_threads(2)

            def enter():
                with torch_threads(1):
                    pass

            pool.submit(enter).result()
        fresh("new")
        assert seen["new"] == 2
    finally:
        torch.set_num_threads(before)
