"""A word of advice while a run trains: where D tells all pictures apart, G gets next to no gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

STEPS = 300  # in a row, before a word is said: for shorter times D is ahead in every training
APART = 0.95  # by which D's mean answers to real pictures and to G's differ


class Balance:
    """Looks at the records of the log and calls `say`, once, where D has won for STEPS steps in a row."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say, self.apart, self.said = say, 0, False

    def __call__(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Take note of the records of new steps, in their order."""
        for record in records:
            if "d_real" in record and "d_fake" in record:  # steps that train one network alone have only one
                won = record["d_real"] - record["d_fake"] > APART
                self.apart = self.apart + 1 if won else 0
            if self.apart >= STEPS and not self.said:
                self.said = True
                self.say(
                    f"step {record['step']:,}: for {STEPS} steps D has told real pictures from G's nearly always (D(x) "
                    f"{record['d_real']:.2f}, D(G) {record['d_fake']:.2f}), from which G learns little. What may help: "
                    "a lower --lr, --real-target 0.9, --flip, more pictures, a larger --width"
                )
