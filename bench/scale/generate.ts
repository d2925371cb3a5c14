// `node bench/scale/generate.ts --resources 200000 --folder <folder>`: records of generated patients as NDJSON, a file a
// type, the same at each run. In proportion and size like those of Synthea.
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { type Resource, randomOf } from './parts.ts';
import { organization, organizationsFor, practitioner, practitionersFor } from './people.ts';
import { patientRecords } from './records.ts';

const SEED = 20_150_101;

export interface Generated {
  patients: number;
  resources: number;
  /** Of all lines, line ends left out. */
  jsonBytes: number;
}

/** A file a type, open until the end. */
function createFiles(folder: string) {
  const streams = new Map<string, WriteStream>();
  const pending = new Map<string, string[]>();
  const streamOf = (type: string): WriteStream => {
    const stream = streams.get(type) ?? createWriteStream(path.join(folder, `${type}.ndjson`));
    streams.set(type, stream);
    return stream;
  };
  const flush = async (type: string, lines: string[]): Promise<void> => {
    const stream = streamOf(type);
    if (!stream.write(`${lines.join('\n')}\n`)) await new Promise<void>((resolve) => stream.once('drain', resolve));
    lines.length = 0;
  };
  return {
    add(type: string, line: string): void {
      const lines = pending.get(type) ?? [];
      pending.set(type, lines);
      lines.push(line);
    },
    async flush(linesMin: number): Promise<void> {
      for (const [type, lines] of pending) if (lines.length >= linesMin && lines.length > 0) await flush(type, lines);
    },
    async end(): Promise<void> {
      for (const stream of streams.values()) stream.end();
      await Promise.all([...streams.values()].map((stream) => finished(stream)));
    },
  };
}

/** Writes at least so many resources to the folder; the last patient's record is whole. */
export async function generate(folder: string, resources: number): Promise<Generated> {
  await mkdir(folder, { recursive: true });
  const files = createFiles(folder);
  const made: Generated = { patients: 0, resources: 0, jsonBytes: 0 };
  const add = (resource: Resource): void => {
    const line = JSON.stringify(resource);
    made.resources++;
    // All of it is ASCII.
    made.jsonBytes += line.length;
    files.add(resource.resourceType, line);
  };
  while (made.resources < resources) {
    const n = made.patients++;
    for (const record of patientRecords(randomOf(SEED, n))) add(record);
    await files.flush(200);
  }
  for (let n = 0; n < organizationsFor(made.patients); n++) add(organization(randomOf(SEED + 1, n), n));
  for (let n = 0; n < practitionersFor(made.patients); n++) add(practitioner(randomOf(SEED + 2, n), n));
  await files.flush(0);
  await files.end();
  return made;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { resources: { type: 'string', default: '200000' }, folder: { type: 'string' } },
  });
  if (!values.folder || !/^\d+$/.test(values.resources)) {
    console.error('node bench/scale/generate.ts --resources <n> --folder <folder>');
    process.exitCode = 2;
  } else {
    const { patients, resources, jsonBytes } = await generate(values.folder, Number(values.resources));
    console.log(
      `${resources} resources of ${patients} patients, ${(jsonBytes / resources).toFixed(0)} bytes on average`,
    );
  }
}
