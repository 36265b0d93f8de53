// node onnxruntime.mjs MODEL.onnx X.bin N C H W Y.bin: float32 in, float32 out, in batches of 500, with
// the onnxruntime-web below $NODE_MODULES.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const entry = join(process.env.NODE_MODULES, 'onnxruntime-web', 'dist', 'ort.node.min.mjs');
const ort = await import(pathToFileURL(entry).href);
const [model, xFile, n, c, h, w, yFile] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(model));
const bytes = readFileSync(xFile);
const x = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const sample = c * h * w;
const parts = [];
for (let first = 0; first < n; first += 500) {
  const count = Math.min(500, n - first);
  const part = x.slice(first * sample, (first + count) * sample);
  const { output } = await session.run({ input: new ort.Tensor('float32', part, [count, +c, +h, +w]) });
  parts.push(Buffer.from(new Float32Array(output.data).buffer));
}
writeFileSync(yFile, Buffer.concat(parts));
