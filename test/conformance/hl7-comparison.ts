// `node test/conformance/hl7-comparison.ts [--write]`: what we make of the corpus's HL7 messages beside what two other
// converters make of them, element by element; --write puts it into docs/hl7-mapping.md. Theirs is another view, not truth.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Json, JsonObject } from '#fhir-model';
import { fixedZone, mapMessage, parseMessage, withComparison } from '#hl7-engine';
import { corpusFolder } from '#platform/testing';
import { type Reason, reasons, resourceReasons, unexplained } from './hl7-comparison-reasons.ts';

/** How the other converter's output of a message is named. */
const converters: readonly { name: string; folder: string; outputOf(message: string): string }[] = [
  { name: 'Microsoft', folder: 'microsoft', outputOf: (message) => message.replace(/\.hl7$/, '-expected.json') },
  { name: 'Google', folder: 'google', outputOf: (message) => `${message}.fhir.output.json` },
];

/** In how many messages an element is in both outputs, in ours alone, in theirs alone. */
interface Count {
  both: number;
  ours: number;
  theirs: number;
  /** Of theirs: in messages where we make no resource of that type. */
  withoutResource: number;
}

const page = path.join(import.meta.dirname, '../../docs/hl7-mapping.md');

/** Paths of the leaves, `Patient.name.family`; list items count as one, an extension is told by the end of its url. */
function elementPaths(resources: readonly JsonObject[]): Set<string> {
  const found = new Set<string>();
  for (const resource of resources) gather(resource, String(resource.resourceType), found);
  return found;
}

function gather(value: Json, at: string, found: Set<string>): void {
  if (Array.isArray(value)) {
    for (const item of value) gather(item, at, found);
    return;
  }
  if (typeof value !== 'object' || value === null) {
    found.add(at);
    return;
  }
  for (const [name, inside] of Object.entries(value)) {
    if (inside === undefined || passedOver.test(`${at}.${name}`)) continue;
    if (name === 'url' && /\[\]$/.test(at)) continue;
    gather(inside, `${at}.${name}`, found);
  }
}

/** Ids, references' targets and narrative are each converter's own. */
const passedOver = /^\w+\.(?:id|resourceType|text|meta\.(?:versionId|lastUpdated))$|\.fullUrl$/;

/** What the other converter made of a message, by message; messages that one of the two does not take are left out. */
function compare(folder: string, outputOf: (message: string) => string): Map<string, Count> {
  const counts = new Map<string, Count>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.hl7'))) {
    const output = path.join(folder, outputOf(file));
    const ours = existsSync(output) ? oursOf(readFileSync(path.join(folder, file)), file) : undefined;
    if (ours === undefined) continue;
    const theirs = elementPaths(resourcesOf(JSON.parse(readFileSync(output, 'utf8')) as JsonObject));
    const types = new Set([...ours].map(typeOf));
    for (const element of new Set([...ours, ...theirs])) {
      const count = counts.get(element) ?? { both: 0, ours: 0, theirs: 0, withoutResource: 0 };
      counts.set(element, count);
      count[ours.has(element) ? (theirs.has(element) ? 'both' : 'ours') : 'theirs']++;
      if (!types.has(typeOf(element))) count.withoutResource++;
    }
  }
  return counts;
}

const typeOf = (element: string): string => element.split('.')[0]!;

const resourcesOf = (bundle: JsonObject): JsonObject[] =>
  ((bundle.entry ?? []) as JsonObject[]).flatMap(({ resource }) =>
    resource === undefined ? [] : [resource as JsonObject],
  );

function oursOf(raw: Buffer, name: string): Set<string> | undefined {
  try {
    const { entries } = mapMessage(parseMessage(raw), name, { zone: fixedZone('Z'), identifierSystems: {} });
    return elementPaths(entries.flatMap(({ resource }) => (resource === undefined ? [] : [resource])));
  } catch {
    return undefined;
  }
}

const reasonOf = (element: string): Reason | undefined => reasons.find(({ of }) => of.test(element));

/** The chapter of the page. */
function chapter(): string {
  return converters
    .map(({ name, folder, outputOf }) => section(name, compare(path.join(corpusFolder('hl7v2'), folder), outputOf)))
    .join('\n\n');
}

function section(name: string, counts: ReadonlyMap<string, Count>): string {
  const lines = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const types = Map.groupBy(lines, ([element]) => typeOf(element));
  const total = (of: readonly (readonly [string, Count])[], key: keyof Count): number =>
    of.reduce((sum, [, count]) => sum + count[key], 0);
  const sums = [...types].map(
    ([type, of]) => `| ${type} | ${total(of, 'both')} | ${total(of, 'ours')} | ${total(of, 'theirs')} |`,
  );
  const missing = [...types].flatMap(([type, of]) => {
    const count = total(of, 'withoutResource');
    return count === 0 ? [] : [`| ${type} | ${count} | ${resourceReasons[type] ?? unexplained} |`];
  });
  const theirs = lines.filter(([, count]) => count.theirs > count.withoutResource);
  const byReason = Map.groupBy(theirs, ([element]) => reasonOf(element)?.why ?? unexplained);
  const why = [...byReason].map(([reason, of]) => {
    const elements = of.map(([element, count]) => `${element} ${count.theirs - count.withoutResource}`);
    return `| ${reason} | ${elements.join(', ')} |`;
  });
  return `### ${name}

Elements by resource type, each counted once a message.

| resource | both | only ours | only theirs |
|---|---|---|---|
${sums.join('\n')}
| **all** | ${total(lines, 'both')} | ${total(lines, 'ours')} | ${total(lines, 'theirs')} |

Only theirs, in messages of which we make no resource of that type:

| resource | elements | why |
|---|---|---|
${missing.join('\n')}

Only theirs, in resources that we make, too, with the count of messages:

| why | elements |
|---|---|
${why.join('\n')}`;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
  const text = chapter();
  if (values.write) writeFileSync(page, withComparison(readFileSync(page, 'utf8'), text));
  else console.log(text);
}
