"""What the tests of training steps compare with in PyTorch: the two networks, and DiffAugment as published."""

from gpunet import backend


def torch_twin(torch, gan):
    """The two networks in PyTorch, weights copied by position."""
    nn = torch.nn
    G = nn.Sequential(
        nn.ConvTranspose2d(5, 8, 4, 1, 0, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 4, 4, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.ConvTranspose2d(4, 3, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        nn.Conv2d(3, 4, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
        nn.Conv2d(4, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.2),
        nn.Conv2d(8, 1, 4, 1, 0, bias=False),
    )  # fmt: skip
    for ours, theirs in ((gan.G, G.double()), (gan.D, D.double())):
        for mine, parameter in zip(ours.parameters(), theirs.parameters(), strict=True):
            values = backend.to_numpy(mine.data)
            parameter.data = torch.tensor(values.transpose(3, 2, 0, 1).copy() if values.ndim == 4 else values)
    return G, D


def diffaugment(torch, x, numbers, policy, cut):
    """The functions of DiffAugment_pytorch.py (mit-han-lab/data-efficient-gans), with given random numbers."""
    brightness, saturation, contrast = (torch.tensor(numbers[:, i]).view(-1, 1, 1, 1) for i in range(3))
    n, _, h, w = x.shape
    if "color" in policy:
        x = x + brightness
        mean = x.mean(dim=1, keepdim=True)
        x = (x - mean) * saturation + mean
        mean = x.mean(dim=[1, 2, 3], keepdim=True)
        x = (x - mean) * contrast + mean
    batch, row, column = torch.meshgrid(torch.arange(n), torch.arange(h), torch.arange(w), indexing="ij")
    down, right, top, left = (torch.tensor(numbers[:, i]).long().view(-1, 1, 1) for i in range(3, 7))
    if "translation" in policy:
        rows, columns = torch.clamp(row + down + 1, 0, h + 1), torch.clamp(column + right + 1, 0, w + 1)
        padded = torch.nn.functional.pad(x, [1, 1, 1, 1, 0, 0, 0, 0])
        x = padded.permute(0, 2, 3, 1).contiguous()[batch, rows, columns].permute(0, 3, 1, 2).contiguous()
    if "cutout" in policy:
        grid = torch.meshgrid(torch.arange(n), torch.arange(cut[0]), torch.arange(cut[1]), indexing="ij")
        mask = torch.ones(n, h, w, dtype=x.dtype)
        mask[grid[0], torch.clamp(grid[1] + top, 0, h - 1), torch.clamp(grid[2] + left, 0, w - 1)] = 0
        x = x * mask.unsqueeze(1)
    return x
