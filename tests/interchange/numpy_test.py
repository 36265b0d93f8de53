"""NumPy (Debian: python3-numpy) reads what `nncli convert` writes, without pickle, and computes the same answers.

The networks are written out in a few lines each, as tutorials do, on the arrays w1, b1, w2, b2...
"""

import pathlib
import tempfile

from common import correct, expect, finish, mnist, np, run, train, NNCLI

images, labels = mnist("t10k")


def relu(x):
    return np.maximum(x, 0)


def mlp(p, x):
    x = relu(x.reshape(len(x), -1) @ p["w1"] + p["b1"])
    return x @ p["w2"] + p["b2"]


def cnn(p, x):
    """Channels first; w1 is [out][in][kh][kw]."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(2, 3))  # n, in, oh, ow, kh, kw
    x = np.einsum("nihwjk,oijk->nohw", windows, p["w1"], optimize=True) + p["b1"][:, None, None]
    x = relu(x).reshape(len(x), -1, 12, 2, 12, 2).max((3, 5))
    return relu(x.reshape(len(x), -1) @ p["w2"] + p["b2"]) @ p["w3"] + p["b3"]


NETWORKS = {"mlp": (mlp, "flatten, affine 50, relu, affine 10"),
            "cnn": (cnn, "conv 6 5x5, relu, maxpool 2, flatten, affine 40, relu, affine 10")}

with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    for name, (forward, arch) in NETWORKS.items():
        model = train(folder, arch)
        run(NNCLI, "convert", model, folder / "net.npz", "--layout", "tutorial")
        p = np.load(folder / "net.npz", allow_pickle=False)
        texts = {key: p[key].item() for key in p.files if p[key].ndim == 0}
        expect(texts["nnkernels.architecture"].decode() == arch and texts["nnkernels.classes"] == 10,
               f"{name}: the archive tells the architecture")
        x = images[:, None].astype(np.float32) * np.float32(p["nnkernels.scale"]) + np.float32(p["nnkernels.shift"])
        parts = [forward(p, part) for part in np.split(x, 20)]
        theirs = int((np.concatenate(parts).argmax(1) == labels).sum())
        expect(theirs == correct(model), f"{name}: {theirs} correct in NumPy, {correct(model)} here")
        run(NNCLI, "convert", folder / "net.npz", folder / "back.safetensors")
        expect((folder / "back.safetensors").read_bytes() == model.read_bytes(), f"{name}: and back, the same bytes")

        # What tutorials save: float64, bare, with a capital W.
        weights = {key.replace("w", "W"): p[key].astype(np.float64) for key in p.files if key[:1] in "wb" and key[1:].isdigit()}
        np.savez_compressed(folder / "tutorial.npz", **weights)
        run(NNCLI, "convert", folder / "tutorial.npz", folder / "theirs.safetensors", "--arch", arch)
        expect(correct(folder / "theirs.safetensors") == theirs, f"{name}: a tutorial's file gives the same")
finish()
