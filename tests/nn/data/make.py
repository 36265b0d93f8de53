#!/usr/bin/env python3
"""Made the .npz files in this folder, with NumPy 1.24.2; the tests of npz read them."""
import numpy as np

x = np.arange(12, dtype=np.uint8).reshape(3, 2, 2) + 20
y = np.array([2, 0, 1])
sets = dict(x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
np.savez("stored.npz", **sets)  # with ZIP64 fields in the local headers
np.savez_compressed("deflated.npz", **sets)
np.savez_compressed("objects.npz", x_train=np.array([None, 1], dtype=object), y_train=y)
