# SPDX-License-Identifier: Apache-2.0
#
# The one place that waits: it asks again and again, with a deadline. No test sleeps.
import time

PATIENCE = 30  # seconds that any one thing may take
PAUSE = 0.02


class TookTooLong(AssertionError):
    pass


def until(what, happened, patience=PATIENCE):
    """Calls `happened` until it gives something true, and gives that. `what` says what was waited for."""
    end = time.monotonic() + patience
    while True:
        found = happened()
        if found:
            return found
        if time.monotonic() > end:
            raise TookTooLong(f"{what}: did not happen within {patience} s")
        time.sleep(PAUSE)
