"""L2 in Adam: the same as adding the penalty's gradient by hand, in every cell."""

import numpy as np
import pytest

from cases import assert_close, host
from gpunet.layers import Linear
from gpunet.optim import Adam


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_weight_decay_is_a_gradient(cell, decay):
    nets = [Linear(4, 3).to(cell.device, "float64") for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    built_in = Adam(nets[0].parameters(), lr=0.1, weight_decay=decay)
    by_hand = Adam(nets[1].parameters(), lr=0.1)
    rng = np.random.default_rng(0)
    for _ in range(4):
        for own, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
            own.grad = cell.array(rng.standard_normal(own.data.shape))
            other.grad = own.grad + decay * other.data
        before = host(nets[0].weight.grad).copy()
        built_in.step()
        by_hand.step()
        for own, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
            assert_close(own.data, host(other.data), 1e-13, "parameter")
        assert (host(nets[0].weight.grad) == before).all()


def test_a_negative_decay_is_refused():
    with pytest.raises(ValueError, match="weight_decay=-1, expected .* weight_decay >= 0"):
        Adam(Linear(1, 1).parameters(), weight_decay=-1)
