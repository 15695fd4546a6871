"""A solution of the puzzle `frozen`."""

from gpunet import backend


def generator_step(G, D, optimizer, z):
    optimizer.zero_grad()
    fake = G.forward(z)
    with D.frozen():
        loss, dlogits = backend.bce_with_logits(D.forward(fake), 1.0)
        dfake = D.backward(dlogits)
    G.backward(dfake)
    optimizer.step()
    return loss
