"""The benchmark: what one edit costs in CPU, memory and time, next to other proxies.

Started by ``make bench``, ``make bench-smoke`` and ``make bench-peers``; see README.md.
"""
