// `node bench/terminology-file.ts <file> [--concepts 400000]`: a CodeSystem in JSON to measure `cerebra load-terminology` with.
// Each concept has up to eight within it; every fifth has a second parent, every third a designation.
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { createRandom, type Random } from './data/random.ts';

const WIDTH = 8;
const WRITE_CHARACTERS = 256 * 1024;

/** Words of the displays: few common ones, many rare ones. */
const words = (random: Random): string =>
  [3_000, 300, 3_000, 30].map((count) => `w${random.below(count).toString(36)}x`).join(' ');

/** Concepts in the order that they are written in, each before those within it, with how deep they are. */
function* preorder(count: number): Generator<{ n: number; depth: number }> {
  const work = [{ n: 0, depth: 0 }];
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    yield next;
    for (let child = Math.min(WIDTH * next.n + WIDTH, count - 1); child > WIDTH * next.n; child--) {
      work.push({ n: child, depth: next.depth + 1 });
    }
  }
}

function conceptText(n: number, random: Random): string {
  const designation = n % 3 === 0 ? `,"designation":[{"language":"de","value":"${words(random)}"}]` : '';
  const second =
    n > 100 && n % 5 === 0 ? `,{"code":"parent","valueCode":"C${random.below(Math.floor(n / WIDTH))}"}` : '';
  const property = `,"property":[{"code":"kind","valueString":"bench"}${second}]`;
  return `{"code":"C${n}","display":"${words(random)}"${designation}${property}`;
}

function* texts(count: number): Generator<string> {
  const random = createRandom(1);
  yield '{"resourceType":"CodeSystem","url":"http://bench.example.org/file","version":"1","status":"active",';
  yield '"caseSensitive":true,"hierarchyMeaning":"is-a","content":"complete","concept":[';
  let depth = -1;
  for (const next of preorder(count)) {
    if (next.depth > depth) yield depth === -1 ? '' : ',"concept":[';
    else yield `}${']}'.repeat(depth - next.depth)},`;
    yield conceptText(next.n, random);
    depth = next.depth;
  }
  yield `}${']}'.repeat(depth)}]}`;
}

async function write(file: string, count: number): Promise<void> {
  const stream = createWriteStream(file);
  let text = '';
  for (const each of texts(count)) {
    text += each;
    if (text.length < WRITE_CHARACTERS) continue;
    if (!stream.write(text)) await once(stream, 'drain');
    text = '';
  }
  stream.end(text);
  await finished(stream);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { concepts: { type: 'string', default: '400000' } },
});
await write(positionals[0] ?? 'concepts.json', Number(values.concepts));
