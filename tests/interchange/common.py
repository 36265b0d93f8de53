"""What the judges in this folder share. They are run as

    JUDGE.py NNCLI MODEL_OUTPUTS MNIST

and end with status 77, which ctest calls skipped, where what they judge with is not installed.
"""

import gzip
import json
import pathlib
import subprocess
import sys

SKIPPED = 77


def skip(why):
    print("SKIPPED: " + why)
    sys.exit(SKIPPED)


try:
    import numpy as np
except ImportError:
    skip("needs NumPy (Debian: python3-numpy)")

NNCLI, MODEL_OUTPUTS, MNIST = sys.argv[1:4]


def run(*command):
    """Standard output of a command that must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stderr}")
    return done.stdout


def mnist(part):
    """Images [n][28][28] and labels of "train" or "t10k"."""
    def values(name, header):
        with gzip.open(pathlib.Path(MNIST) / name) as file:
            return np.frombuffer(file.read()[header:], np.uint8)
    return (values(part + "-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28),
            values(part + "-labels-idx1-ubyte.gz", 8))


def train(folder, arch):
    """Trains for an epoch on a tenth of MNIST, enough for weights that are no noise; the model file."""
    # The default loss takes the softmax itself.
    loss = "squared" if arch.endswith("softmax") else "softmax"
    out = pathlib.Path(folder) / "run"
    run(NNCLI, "train", "--arch", arch, "--data", MNIST, "--epochs", 1, "--loss", loss, "--validation", 0.9,
        "--seed", 7, "--out", out, "--force", "--quiet")
    return out / "best.safetensors"


def correct(model):
    """How many images of the test set nncli classifies correctly."""
    return json.loads(run(NNCLI, "eval", model, "--data", MNIST, "--json"))["correct"]


def outputs(model, folder):
    """What the network makes of the test set here, [10000][10]."""
    file = pathlib.Path(folder) / "outputs.npy"
    run(MODEL_OUTPUTS, model, MNIST, file)
    return np.load(file)


failures = []


def expect(holds, what):
    print(("ok      " if holds else "FAILED  ") + what)
    if not holds:
        failures.append(what)


def finish():
    sys.exit(1 if failures else 0)
