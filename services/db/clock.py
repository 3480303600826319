"""Wall-clock time for people to read. No rule and no order depends on it."""

import time


def now_ms() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000
