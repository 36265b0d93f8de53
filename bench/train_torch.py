#!/usr/bin/env python3
"""The same networks as `nncli train`, trained by PyTorch on the CPU: the peer of docs/performance.md.

usage: train_torch.py cnn|mlp|deep EPOCHS THREADS [FOLDER OF MNIST]

The data set is one tensor in memory and no DataLoader is used: the fastest form that PyTorch has for
data of this size. Prints the seconds of each epoch's training. Debian: python3-torch, python3-numpy.
"""
import gzip
import pathlib
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

name, epochs, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
folder = pathlib.Path(sys.argv[4] if len(sys.argv) > 4 else pathlib.Path(__file__).parents[1] / "data/mnist")
torch.set_num_threads(threads)
torch.manual_seed(1)


def read(file, header):
    return np.frombuffer(gzip.open(folder / file).read(), np.uint8, offset=header)


images = torch.tensor(read("train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28).astype(np.float32) / 255)
labels = torch.tensor(read("train-labels-idx1-ubyte.gz", 8).astype(np.int64))
if name == "cnn":
    net = nn.Sequential(nn.Conv2d(1, 30, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12 * 12 * 30, 100),
                        nn.ReLU(), nn.Linear(100, 10))
    batch, optimizer = 100, torch.optim.Adam(net.parameters(), 0.001)
elif name == "deep":  # PyTorch's own example for MNIST
    net = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
                        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))
    batch, optimizer = 64, torch.optim.Adam(net.parameters(), 0.001)
else:
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    batch, optimizer = 64, torch.optim.SGD(net.parameters(), 0.1)

for epoch in range(1, epochs + 1):
    order = torch.randperm(len(images))
    start = time.perf_counter()
    for first in range(0, len(images), batch):
        chosen = order[first:first + batch]
        loss = functional.cross_entropy(net(images[chosen]), labels[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    print(f"torch {torch.__version__} {name}, {threads} threads, epoch {epoch}: {time.perf_counter() - start:.3f} s",
          flush=True)
