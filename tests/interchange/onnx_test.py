"""Runs ONNX files of `nncli export` in every runtime that is here, on MNIST's whole test set.

Outputs must be those of this project to 1e-5, relative to 1 or to the output, whichever is larger;
the answers must be the same but where two outputs of an image are closer than that.

Runtimes: OpenCV's dnn (Debian: python3-opencv); onnxruntime for Python; onnxruntime-web on Node.js
(npm install onnxruntime-web; NODE_MODULES=.../node_modules). python3-onnx, if it is here, checks the
files.
"""

import os
import pathlib
import shutil
import tempfile

from common import expect, finish, mnist, np, outputs, run, skip, train, NNCLI

# Each layer in some network, and every option of it.
NETWORKS = {
    "cnn": "conv 8 5x5, relu, maxpool 2, flatten, affine 40, relu, affine 10",
    "mlp": "flatten, batchnorm, affine 50, sigmoid, dropout 0.3, affine 30 nobias, tanh, affine 10",
    "odd": "conv 8 3x3 stride 2 pad 1 nobias, batchnorm, leakyrelu 0.1, "
           "conv 16 3x3 pad 2 dilation 2 groups 4, sigmoid, avgpool 3 stride 2 pad 1, "
           "maxpool 3x2 stride 1 pad 1, flatten, batchnorm, affine 20, tanh, affine 10, softmax",
    "gap": "conv 6 5x3, relu, avgpool 3 stride 2 pad 1, batchnorm, softmax, "
           "conv 10 3x3, globalavgpool",
    "window": "conv 6 5x3, relu, avgpool 3 stride 2 pad 1 divisor window, flatten, affine 10",
}
# OpenCV 4.6 does not read count_include_pad.
NOT_IN_OPENCV = {"window"}


def in_opencv(cv2):
    def forward(onnx, x):
        net = cv2.dnn.readNetFromONNX(str(onnx))
        parts = []
        for part in np.split(x, 20):
            net.setInput(part)
            parts.append(net.forward().reshape(len(part), -1).copy())
        return np.concatenate(parts)
    return forward


def in_onnxruntime(onnxruntime):
    def forward(onnx, x):
        session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
        return session.run(["output"], {"input": x})[0]
    return forward


def in_node(onnx, x):
    folder = onnx.parent
    x.tofile(folder / "x.bin")
    run("node", pathlib.Path(__file__).with_name("onnxruntime.mjs"), onnx, folder / "x.bin",
        *x.shape, folder / "y.bin")
    return np.fromfile(folder / "y.bin", np.float32).reshape(len(x), -1)


def runtimes():
    found = {}
    try:
        import cv2
        found["OpenCV " + cv2.__version__] = in_opencv(cv2)
    except ImportError:
        print("no OpenCV (Debian: python3-opencv)")
    try:
        import onnxruntime
        found["onnxruntime " + onnxruntime.__version__] = in_onnxruntime(onnxruntime)
    except ImportError:
        print("no onnxruntime for Python")
    if os.environ.get("NODE_MODULES") and shutil.which("node"):
        found["onnxruntime-web"] = in_node
    else:
        print("no onnxruntime-web (npm; NODE_MODULES)")
    return found


def check(onnx_file):
    try:
        import onnx
    except ImportError:
        print("no checker (Debian: python3-onnx)")
        return
    onnx.checker.check_model(onnx.load(str(onnx_file)), full_check=True)
    print("ok      onnx.checker")


found = runtimes()
if not found:
    skip("no ONNX runtime to judge with")
images, labels = mnist("t10k")
x = (images[:, None] / np.float32(255)).astype(np.float32)
with tempfile.TemporaryDirectory() as folder:
    for name, arch in NETWORKS.items():
        model = train(folder, arch)
        ours = outputs(model, folder)
        onnx_file = pathlib.Path(folder) / "net.onnx"
        run(NNCLI, "export", model, "--onnx", onnx_file)
        check(onnx_file)
        for runtime, forward in found.items():
            if runtime.startswith("OpenCV") and name in NOT_IN_OPENCV:
                continue
            theirs = forward(onnx_file, x)
            distance = np.abs(ours - theirs) / np.maximum(1, np.abs(ours))
            other = np.count_nonzero(ours.argmax(1) != theirs.argmax(1))
            expect(theirs.shape == ours.shape and distance.max() <= 1e-5,
                   f"{name} in {runtime}: {len(ours)} images, furthest output {distance.max():.1e}, "
                   f"{other} other answers, {np.count_nonzero(theirs.argmax(1) == labels)} correct")
finish()
