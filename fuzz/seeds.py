#!/usr/bin/env python3
"""seeds.py: writes the first inputs of each fuzzer to corpus/FORMAT/. Python 3 alone; the same
inputs on every run. What a fuzzer finds is added to the corpus by hand, as regression-NAME."""
import hashlib
import io
import json
import pathlib
import struct
import zipfile
import zlib

corpus = pathlib.Path(__file__).parent / "corpus"


def put(name, data):
    path = corpus / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def gzipped(data, level=9):
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def idx(dims, values):
    return struct.pack(f">{1 + len(dims)}I", 0x800 + len(dims), *dims) + bytes(values)


def npy(descr, shape, data, order=False, version=1):
    header = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {tuple(shape)}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def zipped(files, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=method == zipfile.ZIP_STORED) as entry:
                entry.write(data)
    return out.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(w, h, depth, colour, rows, interlace=0, extra=b""):
    header = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra +
            chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def safetensors(metadata, tensors):
    header, data = {"__metadata__": metadata}, b""
    for name, (dtype, shape, values) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def model(architecture, shape, classes, tensors):
    metadata = {"nnkernels.format": "model 1", "nnkernels.architecture": architecture,
                "nnkernels.input": shape, "nnkernels.scale": "0.5", "nnkernels.shift": "-1",
                "nnkernels.classes": str(classes), "nnkernels.checksum": "0" * 64, "note": "x"}
    file = safetensors(metadata, {name: ("F32", dims, struct.pack(f"<{len(v)}f", *v))
                                  for name, (dims, v) in tensors.items()})
    digest = hashlib.sha256(file).hexdigest().encode()
    return file.replace(b"0" * 64, digest)


for name, data in {"labels": idx([4], range(4)), "images": idx([2, 3, 2], range(12)),
                   "channels": idx([1, 2, 2, 3], range(12)),
                   "huge": idx([2**31 - 1] * 3, range(4)), "empty": b""}.items():
    put(f"idx/{name}", data)
    put(f"idx/{name}.gz", gzipped(data))

text = b"the same, the same, the same"
put("gzip/plain", text)
put("gzip/packed", gzipped(text))
put("gzip/stored", gzipped(text, 0))
put("gzip/members", gzipped(text) + gzipped(b"") + gzipped(text[:5]))
put("gzip/tail", gzipped(text) + b"\0")
put("gzip/zeros", gzipped(bytes(100000)))
put("gzip/name", b"\x1f\x8b\x08\x0a" + bytes(6) + b"name\0" + struct.pack("<H", 0) + gzipped(text)[10:])

put("csv/first", "1,0,10,200,255\n0,1,2,3,4\n")
put("csv/last", "0,10,200,255,1\r\n1,2,3,4,0")
put("csv/header", "\ufefflabel,a,b,c,d\n 1, 0,\t10 ,200,255\n\n0,1,2,3,4\n\r\n")
put("csv/decimal", "1,0.5,10,200,255\n")
put("csv/packed", gzipped(b"3,1,1\n2,9,16\n"))

values = bytes(range(24))
arrays = {"u1": npy("|u1", (2, 3, 4), values), "f4": npy("<f4", (6,), values),
          "f8": npy(">f8", (3, 1), values), "i8": npy("<i8", (3,), values),
          "fortran": npy("<u2", (3, 4), values, True), "scalar": npy("<i4", (), values[:4]),
          "text": npy("|S3", (8,), values), "bool": npy("|b1", (2,), b"\0\1"),
          "empty": npy("<f4", (2, 0), b""), "version3": npy("<i2", (12,), values, version=3),
          "object": npy("|O", (1,), b"\x80\x04N.")}
for name, data in arrays.items():
    put(f"npy/{name}", data)
structure = b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n"
put("npy/structure", b"\x93NUMPY\1\0" + struct.pack("<H", len(structure)) + structure + bytes(4))

train = {"x_train.npy": npy("|u1", (3, 2, 2), bytes(range(20, 32))),
         "y_train.npy": npy("<i8", (3,), struct.pack("<3q", 2, 0, 1)),
         "x_test.npy": npy("|u1", (1, 2, 2), bytes(range(4))),
         "y_test.npy": npy("<i8", (1,), struct.pack("<q", 1)),
         "class_names.npy": npy("|S3", (3,), b"catdogowl")}
floats = {"x_train.npy": npy("<f8", (2, 2), struct.pack("<4d", 0, 0.5, -1, 2)),
          "y_train.npy": npy("|u1", (2, 2), b"\0\1\1\0"),
          "x_test.npy": npy("<f4", (1, 2), struct.pack("<2f", 0, 1)),
          "y_test.npy": npy("|u1", (1,), b"\0")}
put("zip/stored", zipped(train))
put("zip/deflated", zipped(train, zipfile.ZIP_DEFLATED))
put("zip/floats", zipped(floats, zipfile.ZIP_DEFLATED))
put("zip/plain", zipped({"x.npy": train["x_train.npy"], "y.npy": train["y_train.npy"]}))
put("zip/empty", zipped({}))
put("zip/path", zipped({"../x.npy": values}))
for name, files in {"bytes": train, "floats": floats}.items():
    put(f"npz/{name}", b"".join(struct.pack("<H", len(f)) + f for f in files.values()))

put("netpbm/p2", "P2\n# grey\n3 2\n15\n0 5 10\n15 7 3\n")
put("netpbm/p3", "P3 1 2 255 0 5 10 255 7 3")
put("netpbm/p5", b"P5 3 2 255\n" + bytes([0, 9, 99, 200, 255, 1]))
put("netpbm/p5-16", b"P5 2 1 65535\n" + bytes([0, 9, 99, 200]))
put("netpbm/p6", b"P6 1 2 255 " + bytes([0, 9, 99, 200, 255, 1]))
ink = [[255 * (3 < x < 6 or y == 5) for x in range(10)] for y in range(10)]
put("netpbm/cross", b"P5 10 10 255\n" + b"".join(map(bytes, ink)))

put("png/grey", png(3, 2, 8, 0, b"\0\1\2\3\1\4\5\6"))
put("png/one-bit", png(9, 2, 1, 0, b"\0\xaa\x80\2\x55\0"))
put("png/deep", png(2, 1, 16, 0, b"\0\1\2\3\4"))
put("png/rgb", png(1, 2, 8, 2, b"\0\1\2\3\4\4\5\6"))
put("png/rgba", png(1, 1, 8, 6, b"\0\1\2\3\x80"))
put("png/grey-alpha", png(2, 1, 8, 4, b"\0\1\x80\3\xff"))
put("png/palette", png(4, 1, 2, 3, b"\0\x1b", extra=chunk(b"PLTE", bytes(range(12))) +
                       chunk(b"tRNS", b"\0\x80")))
put("png/interlaced", png(3, 3, 8, 0, b"\0\1\0\2\0\3\4\0\5\0\6\0\7\x08\x09", 1))
put("png/grey-key", png(3, 2, 8, 0, b"\0\1\2\3\1\4\5\6", extra=chunk(b"tRNS", b"\0\2")))
put("png/texts", png(1, 1, 8, 0, b"\0\7", extra=chunk(b"gAMA", struct.pack(">I", 45455)) +
                     chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1000))) +
                     chunk(b"tEXt", b"b\0c") + chunk(b"pHYs", bytes(9))))
put("png/large", png(16384, 4096, 1, 0, b""))

put("safetensors/empty", safetensors({}, {}))
put("safetensors/types", safetensors({"format": "pt", "\u00e9": "\n"}, {
    "a": ("F32", [1, 2], bytes(8)), "b": ("BF16", [], bytes(2)), "c": ("I64", [0, 3], b""),
    "d": ("U8", [1] * 8, b"x")}))
for name, text in {"twice": '{"a":{},"a":{}}', "deep": '{"a":{"shape":[[[[[[[[[[1]]]]]]]]]]}}',
                   "list": "[]", "gap": '{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}'}.items():
    put(f"safetensors/{name}", struct.pack("<Q", len(text)) + text.encode() + b"xx")
put("model/affine", model("affine 2", "2", 2, {"0.w": ([2, 2], [1, 2, 3, 4]), "0.b": ([2], [0, 1])}))
put("model/conv", model("conv 1 2x2 pad 1, relu, batchnorm, maxpool 2, flatten, affine 2", "2x2x1", 2, {
    "0.w": ([2, 2, 1, 1], [1, 2, 3, 4]), "0.b": ([1], [0]), "2.gamma": ([1], [1]),
    "2.beta": ([1], [0]), "5.w": ([1, 2], [1, 2]), "5.b": ([2], [0, 1]),
    "2.running_mean": ([1], [0]), "2.running_var": ([1], [1])}))
put("model/regression-negative-classes", model("relu", "2", -2, {}))
put("model/nothing", model("relu", "2", 2, {}))
put("model/nan", model("affine 1 nobias", "1", 1, {"0.w": ([1, 1], [float("nan")])}))

for number, text in enumerate([
        "conv 30 5x5, relu, maxpool 2, flatten, affine 100, relu, affine 10",
        "CONV 4 3 stride 2x1 pad 1 dilation 1x2 nobias,batchnorm,leakyrelu 0.1,globalavgpool",
        "conv 6 3 groups 3, tanh, avgpool 2 stride 1 pad 1 divisor window, dropout 0.25, softmax",
        "flatten, dense 3 nobias, sigmoid, linear 2, dropout nan", "relu,,relu", "afine 3"]):
    put(f"architecture/{number}", text)
for number, text in enumerate([
        "shift 2, rotate 10, scale 0.1, elastic 2, flip, noise 0.05, cutout 8", "flip,shift 1e6",
        "rotate nan", "scale 1", "shift 1, shift 2", "flip,", "cutout 2.5", ""]):
    put(f"augmentation/{number}", text)
for name, text in {
        "custom": 'recipe = "custom"\narch = "affine 10"\nepochs = 3\nlr = 1e-3 # fast\n',
        "sgd": "optimizer = 'sgd'\nschedule = \"step\"\ndecay_every = 0x2\ninit = \"uniform\"\n",
        "text": 'seed = "18446744073709551615"\naugment = "shift 2, flip"\nimage = "2x3x1"\n',
        "nan": "lr = nan\n", "table": "[a.b]\nc = [1, {d = 2}]\n", "date": "lr = 1979-05-27\n",
        "typo": "batch_sise = 3\n", "strings": 'arch = """\\\n  a\\u00e9"""\nlr = +1_0.5_0e-0_1\n'}.items():
    put(f"config/{name}", text)
put("record/metrics", '{"epoch":1,"train_loss":0.5,"val_accuracy":null,"other":[1,{"a":2}]}\n\n{"epoch":2}\n')
put("record/config", '{"model":"mlp","argv":["nncli","train"],"seed":1,"deep":{"a":[true,null]}}')
put("record/wrong", '{"epoch":1.5}\n{"epoch":1,"train_loss":"x"}\n')
put("record/huge", '{"epoch":18446744073709551615}\n{"epoch":1,"test_loss":1e999}\n')
put("record/regression-deep", '{"a":' + "[" * 5000 + "]" * 5000 + "}")
overflow = b"{'descr': '<f4', 'fortran_order': True, 'shape': (1099511627776, 1099511627776, 0), }"
put("npy/regression-strides", b"\x93NUMPY\1\0" + struct.pack("<H", len(overflow)) + overflow)
joined = b"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'shape': (3,)}"
put("npy/regression-shape-twice", b"\x93NUMPY\1\0" + struct.pack("<H", len(joined)) + joined + bytes(6))
put("npy/regression-bool", npy("|b1", (2,), b"\0\7"))
huge = {"x_train.npy": npy("<f8", (1, 1), struct.pack("<d", 1e300)), "y_train.npy": npy("|u1", (1,), b"\0")}
put("npz/regression-infinite-float",
    b"".join(struct.pack("<H", len(f)) + f for f in huge.values()))
