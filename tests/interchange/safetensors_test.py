"""Hugging Face's own parser of safetensors (npm install @huggingface/hub; NODE_MODULES=.../node_modules) reads the
models and checkpoints that nncli writes: what it says is where is what nncli's NPZ has. (Debian has no package of
the one for Python.)
"""

import json
import os
import pathlib
import shutil
import tempfile

from common import expect, finish, np, run, skip, NNCLI

HERE = pathlib.Path(__file__).parent


def read(file):
    """The tensors of a file, by name, and its metadata, as the parser tells."""
    header = json.loads(run("node", HERE / "safetensors.mjs", file))
    metadata = header.pop("__metadata__")
    content = file.read_bytes()
    data = content[8 + int.from_bytes(content[:8], "little"):]
    ends = sorted(tensor["data_offsets"] for tensor in header.values())
    expect([0] + [end for _, end in ends] == [begin for begin, _ in ends] + [len(data)],
           f"{file.name}: {len(header)} tensors tile the data")
    expect(all(tensor["dtype"] == "F32" for tensor in header.values()), f"{file.name}: of float32")
    return {name: np.frombuffer(data[slice(*tensor["data_offsets"])], np.float32).reshape(tensor["shape"])
            for name, tensor in header.items()}, metadata


node_modules = os.environ.get("NODE_MODULES")
if not (node_modules and shutil.which("node") and (pathlib.Path(node_modules) / "@huggingface/hub").exists()):
    skip("needs @huggingface/hub for Node.js (npm; NODE_MODULES)")
with tempfile.TemporaryDirectory() as folder:
    out = pathlib.Path(folder) / "run"
    run(NNCLI, "train", "--data", "digits", "--epochs", 1, "--optimizer", "adam", "--ema", 0.9, "--out", out, "--quiet",
        "--arch", "conv 6 3x3, batchnorm, relu, maxpool 2, dropout 0.1, flatten, affine classes")
    model, metadata = read(out / "last.safetensors")
    run(NNCLI, "convert", out / "last.safetensors", out / "net.npz")
    npz = np.load(out / "net.npz", allow_pickle=False)
    arrays = {name: npz[name] for name in npz.files if npz[name].ndim > 0}
    expect(set(arrays) == set(model) and len(model) == 8, "the names are those of the NPZ")
    expect(all(np.array_equal(arrays[name], value) for name, value in model.items()), "so are shapes and values")
    expect(metadata["nnkernels.format"] == "model 1" and metadata["nnkernels.input"] == "8x8x1", "and the metadata")

    checkpoint, metadata = read(out / "checkpoint.safetensors")
    expect(metadata["nnkernels.format"] == "checkpoint 1", "a checkpoint is one")
    expect(all(np.array_equal(checkpoint["average." + name], value) for name, value in model.items()),
           "its average is the model")
    parameters = [name for name in model if "running" not in name]
    expect(all(checkpoint[f"optimizer.{kind}.{name}"].shape == model[name].shape
               for kind in "mv" for name in parameters), "and it has Adam's moments")
finish()
