"""Settings of the process that suit a server of large bodies; docs/performance.md has figures."""

from __future__ import annotations

import ctypes
import gc
import sys

MIB = 1024 * 1024
#: glibc's ``mallopt`` parameters (malloc.h) and their values. Left alone it maps fresh pages
#: for every large body and gives them back after it, and the kernel clears each page anew.
_MALLOC = {
    -3: 32 * MIB,  # M_MMAP_THRESHOLD: keep bodies on the heap
    -1: 64 * MIB,  # M_TRIM_THRESHOLD: give memory back only when that much is free
    -2: 4 * MIB,  # M_TOP_PAD: grow in steps of
}
#: Allocations between collections of the youngest generation (Python's default is 700). An
#: edit makes few cycles, and what it makes is freed by reference counts.
_GC_THRESHOLD = 20_000


def tune() -> None:
    """Set up allocator and garbage collector; to be called once, after everything is loaded."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        for parameter, value in _MALLOC.items() if hasattr(library, "mallopt") else ():
            library.mallopt(parameter, value)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 20)
