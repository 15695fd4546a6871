"""Pictures shared out among ranks: each rank makes a run of whole batches, and the results are put together.

Example: 1,000 pictures are 8 batches of 128, the last one with 104. Three ranks make pictures 0-383, 384-767 and
768-999. Since every rank makes whole batches of the same size, each picture has the same bits as with one rank.
"""

from __future__ import annotations

import numpy as np

from dcgan.sampling import BATCH
from gpunet.distributed import Ranks


def share(count: int, ranks: Ranks) -> range:
    """Return which of `count` pictures this rank makes; rank 0 makes some unless there are none."""
    batches = -(-count // BATCH)
    begin, end = (-(-batches * rank // ranks.size) * BATCH for rank in (ranks.rank, ranks.rank + 1))
    return range(min(begin, count), min(end, count))


def put_together(rows: np.ndarray | None, count: int, ranks: Ranks) -> np.ndarray:
    """Return the rows (count, ...) of all ranks at every rank; rows: those of this rank's share, None: it has none.

    Each rank puts its rows among zeros, and the sum over ranks is all of them: x + 0 = x exactly.
    """
    if ranks.size == 1 and rows is not None:
        return rows
    shape, dtype = ranks.tell(None if rows is None else [rows.shape[1:], rows.dtype.str])
    whole, mine = np.zeros((count, *shape), dtype), share(count, ranks)
    if rows is not None:
        whole[mine.start : mine.stop] = rows
    ranks.sum(whole)
    return whole
