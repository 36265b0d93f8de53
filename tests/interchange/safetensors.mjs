// node safetensors.mjs FILE: its header as JSON, as read by Hugging Face, who made the format: @huggingface/hub below
// $NODE_MODULES, which would read it from their site and is served from the disk instead.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const entry = join(process.env.NODE_MODULES, '@huggingface', 'hub', 'dist', 'index.mjs');
const { parseSafetensorsMetadata } = await import(pathToFileURL(entry).href);
const bytes = readFileSync(process.argv[2]);
async function serve(url, options) {
  if (!String(url).endsWith('/model.safetensors')) return new Response(null, { status: 404 });
  const range = /bytes=(\d+)-(\d+)/.exec(new Headers(options?.headers).get('range') ?? '');
  const [first, last] = range ? [+range[1], Math.min(+range[2], bytes.length - 1)] : [0, bytes.length - 1];
  return new Response(bytes.subarray(first, last + 1), {
    status: range ? 206 : 200,
    headers: { ETag: '"1"', 'Content-Range': `bytes ${first}-${last}/${bytes.length}` },
  });
}
const found = await parseSafetensorsMetadata({ repo: 'some/one', path: 'model.safetensors', fetch: serve });
console.log(JSON.stringify(found.header));
