// For tests that send words which every JavaScript object answers to: each must be an unknown word like any other.
import assert from 'node:assert/strict';
import { before } from 'node:test';
import { startTestServer } from './server.ts';
import { createWire, type WireReply } from './wire.ts';

/** A word, and one of its shape that no object has. */
const pairs = [
  ['constructor', 'zonstructor'],
  ['__proto__', '__zroto__'],
  ['toString', 'zoString'],
] as const;

export type Send = (word: string) => Promise<WireReply>;

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const instant = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g;

function shapeOf({ status, bytes }: WireReply, word: string): string {
  // Diagnostics may cut a code off within the word.
  const told = new RegExp(`${word}|${word.slice(0, 5)}\\w*(?=…)`, 'gi');
  const text = String(bytes).replace(told, '<word>').replace(uuid, '<id>').replace(instant, '<instant>');
  return `${status} ${text}`;
}

/**
 * Where the answers to the two words of a pair are of another shape, or a fault of the server; nothing where all is well. Each place gets
 * one of the pairs in turn: what looks a word up in an object's members finds all of them.
 */
export async function differences(places: Iterable<Place>): Promise<string[]> {
  const found: string[] = [];
  let turn = 0;
  for (const [place, send] of places) {
    const [word, neutral] = pairs[turn++ % pairs.length]!;
    const seen = shapeOf(await send(word), word);
    const expected = shapeOf(await send(neutral), neutral);
    if (seen === expected && !seen.startsWith('5')) continue;
    found.push(`${place}, ${word}: ${seen.slice(0, 600)}\n  instead of ${expected.slice(0, 600)}`);
  }
  return found;
}

export type Tree = string | number | boolean | null | Tree[] | { [name: string]: Tree };

const isArray = (value: Tree): value is Tree[] => Array.isArray(value);

/** The JSON with `word` in the place of each text, then of each name: `JSON.parse` has `__proto__` as a name like any other. */
function* spoilt(value: Tree, word: string, at = ''): Generator<{ place: string; text: string }> {
  if (typeof value === 'string') yield { place: at, text: JSON.stringify(word) };
  if (typeof value !== 'object' || value === null) return;
  const members = Object.entries(value);
  const text = (own: readonly (readonly [string, string])[]): string =>
    isArray(value)
      ? `[${own.map(([, each]) => each).join()}]`
      : `{${own.map(([name, each]) => `${JSON.stringify(name)}:${each}`).join()}}`;
  const whole = members.map(([name, each]) => [name, JSON.stringify(each)] as const);
  for (const [index, [name, each]] of members.entries()) {
    const here = isArray(value) ? `${at}[${name}]` : `${at}.${name}`;
    if (!isArray(value)) yield { place: `the name ${here}`, text: text(whole.with(index, [word, whole[index]![1]])) };
    for (const { place, text: inside } of spoilt(each as Tree, word, here)) {
      yield { place, text: text(whole.with(index, [name, inside])) };
    }
  }
}

export type Place = readonly [place: string, send: Send];

/** The tree as a body, with the word in each place of it in turn. */
export function inTree(label: string, tree: Tree, send: (body: string) => ReturnType<Send>): Place[] {
  const all = [...spoilt(tree, '')].map(({ place }) => place);
  return all.map(
    (place, index): Place => [`${label}: ${place}`, (word) => send(spoilt(tree, word).drop(index).next().value!.text)],
  );
}

/** A server with Patient/p and Binary/b. What is wrong in a ConceptMap it lets in. */
export function serveWords() {
  let wire: ReturnType<typeof createWire>;
  const json = { 'Content-Type': 'application/fhir+json' };
  before(async () => {
    const server = await startTestServer({ VALIDATION: 'claimed,ConceptMap=off' });
    wire = createWire(server.fhirBaseUrl);
    const patient = { resourceType: 'Patient', id: 'p', birthDate: '1980-01-01', name: [{ family: 'Test' }] };
    const binary = { resourceType: 'Binary', id: 'b', contentType: 'application/json', data: 'e30=' };
    for (const one of [patient, binary]) {
      const { status } = await wire('PUT', `/${one.resourceType}/${one.id}`, json, JSON.stringify(one));
      assert.equal(status, 201);
    }
  });
  return {
    wire: (...request: Parameters<typeof wire>) => wire(...request),
    /** Of that path with the word for each `WORD`. */
    get: (path: string): Place => [path, (word) => wire('GET', `/${encodeURI(path.replaceAll('WORD', word))}`)],
    post:
      (path: string, headers: Record<string, string> = json) =>
      (body: string) =>
        wire('POST', `/${path}`, headers, body),
  };
}
