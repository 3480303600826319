"""Wall-clock time, for display only. No rule and no order depends on it."""

import time


def now_ms() -> int:
    """Return milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000
