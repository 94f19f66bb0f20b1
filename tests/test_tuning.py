from __future__ import annotations

import subprocess
import sys

#: In a process of its own: it changes the collector and the allocator for good.
SCRIPT = """
import gc, weakref
from retouch.tuning import tune
class Node: pass
first = gc.get_threshold()
tune()
assert gc.get_threshold()[0] > first[0], gc.get_threshold()
assert gc.isenabled()
assert gc.get_freeze_count() > 1000, gc.get_freeze_count()
node = Node(); node.me = node; gone = weakref.ref(node); del node
gc.collect()
assert gone() is None
blocks = [bytes(1 << 20) for _ in range(64)]
assert sum(map(len, blocks)) == 64 << 20
"""


def test_a_tuned_process_still_collects_cycles_and_gives_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
