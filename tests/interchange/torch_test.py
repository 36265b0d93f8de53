"""PyTorch (Debian: python3-torch) and nncli exchange networks: each must classify MNIST's test set as the other does.

There: networks trained by PyTorch, as NPZ and as safetensors, give the same accuracy here to the last image. And
back: networks trained here give the same answers in PyTorch, from a state_dict that loads strictly.
"""

import json
import pathlib
import struct
import tempfile

from common import correct, expect, finish, mnist, np, outputs, run, skip, train, NNCLI

try:
    import torch
    from torch import nn
except ImportError:
    skip("needs PyTorch (Debian: python3-torch)")

MEAN, DEVIATION = 0.1307, 0.3081


class Named(nn.Module):
    """Modules with names whose alphabetical order is not theirs: as safetensors files are sorted."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 5)
        self.norm = nn.BatchNorm2d(8)
        self.body = nn.Conv2d(8, 16, 3, padding=1)
        self.head = nn.Linear(16 * 6 * 6, 40)
        self.classes = nn.Linear(40, 10)

    def forward(self, x):
        pool = nn.functional.max_pool2d
        x = pool(torch.relu(self.norm(self.stem(x))), 2)
        x = pool(torch.relu(self.body(x)), 2)
        return self.classes(torch.relu(self.head(x.flatten(1))))


class Twins(nn.Module):
    """Two modules of the same shapes, which only --modules tells apart: by name, the last comes first."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(784, 30)
        self.second = nn.Linear(30, 30)
        self.after = nn.Linear(30, 30)
        self.last = nn.Linear(30, 10)

    def forward(self, x):
        x = torch.sigmoid(self.first(x.flatten(1)))
        return self.last(torch.tanh(self.after(torch.tanh(self.second(x)))))


# A network, the same as text, and what nncli needs beside it.
FROM_TORCH = {
    "mlp": (nn.Sequential(nn.Flatten(), nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10)),
            "flatten, affine 50, relu, affine 10", []),
    "batchnorm": (nn.Sequential(nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                                nn.Conv2d(8, 12, 3, stride=2, groups=4), nn.LeakyReLU(0.2), nn.Flatten(),
                                nn.BatchNorm1d(12 * 6 * 6), nn.Dropout(0.2), nn.Linear(12 * 6 * 6, 10)),
                  "conv 8 3x3 nobias, batchnorm, relu, maxpool 2, conv 12 3x3 stride 2 groups 4, leakyrelu 0.2, "
                  "flatten, batchnorm, dropout 0.2, affine 10", []),
    "named": (Named(), "conv 8 5x5, batchnorm, relu, maxpool 2, conv 16 3x3 pad 1, relu, maxpool 2, flatten, "
                       "affine 40, relu, affine 10", []),
    "twins": (Twins(), "flatten, affine 30, sigmoid, affine 30, tanh, affine 30, tanh, affine 10",
              ["--modules", "first,second,after,last"]),
}

TO_TORCH = {
    "mlp": ("flatten, affine 50, tanh, affine 10",
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 50), nn.Tanh(), nn.Linear(50, 10))),
    "cnn": ("conv 8 5x5, batchnorm, relu, maxpool 2, conv 12 3x3 groups 2, relu, avgpool 2, flatten, batchnorm, "
            "affine 30 nobias, relu, affine 10",
            lambda: nn.Sequential(nn.Conv2d(1, 8, 5), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                                  nn.Conv2d(8, 12, 3, groups=2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
                                  nn.BatchNorm1d(300), nn.Linear(300, 30, bias=False), nn.ReLU(),
                                  nn.Linear(30, 10))),
}


def save_safetensors(arrays, path):
    """As the package safetensors does, which Debian does not have: arrays by type, largest first, then by name."""
    header, data = {}, b""
    for name in sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name)):
        bytes_ = arrays[name].tobytes()
        kind = {"float32": "F32", "int64": "I64"}[arrays[name].dtype.name]
        header[name] = {"dtype": kind, "shape": arrays[name].shape, "data_offsets": [len(data), len(data) + len(bytes_)]}
        data += bytes_
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def fit(net, x, y):
    net.train()
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(2):
        for part in torch.randperm(len(x)).split(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[part]), y[part]).backward()
            optimizer.step()
    net.eval()


def answers(net, x):
    net.eval()
    with torch.no_grad():
        return torch.cat([net(part) for part in x.split(1000)]).numpy()


torch.manual_seed(1)
torch.set_num_threads(1)
train_x, train_y = mnist("train")
test_x, test_y = mnist("t10k")


def normal(images):
    return torch.from_numpy(((images[:, None] / np.float32(255)) - np.float32(MEAN)) / np.float32(DEVIATION))


scale = ["--scale", repr(1 / 255 / DEVIATION), "--shift", repr(-MEAN / DEVIATION)]
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    for name, (net, arch, more) in FROM_TORCH.items():
        fit(net, normal(train_x[:4000]), torch.from_numpy(train_y[:4000].astype(np.int64)))
        theirs = int((answers(net, normal(test_x)).argmax(1) == test_y).sum())
        arrays = {key: value.numpy() for key, value in net.state_dict().items()}
        np.savez(folder / "state.npz", **arrays)
        save_safetensors(arrays, folder / "state.safetensors")
        for kind in ("npz", "safetensors"):
            model = folder / "model.safetensors"
            run(NNCLI, "convert", folder / f"state.{kind}", model, "--arch", arch, *scale, *more)
            ours = correct(model)
            expect(ours == theirs, f"{name} trained in PyTorch, as {kind}: {theirs} correct there, {ours} here")
    for name, (arch, make) in TO_TORCH.items():
        model = train(folder, arch)
        ours = outputs(model, folder)
        run(NNCLI, "convert", model, folder / "net.npz", "--layout", "torch")
        file = np.load(folder / "net.npz")
        net = make()
        net.load_state_dict({key: torch.from_numpy(file[key]) for key in file.files
                             if not key.startswith("nnkernels.") and file[key].dtype == np.float32})
        seen = test_x[:, None] * file["nnkernels.scale"] + file["nnkernels.shift"]
        theirs = answers(net, torch.from_numpy(seen.astype(np.float32)))
        other = np.count_nonzero(ours.argmax(1) != theirs.argmax(1))
        expect(other == 0 and np.abs(ours - theirs).max() < 1e-4,
               f"{name} trained here: {other} other answers in PyTorch, furthest output "
               f"{np.abs(ours - theirs).max():.1e}")
finish()
