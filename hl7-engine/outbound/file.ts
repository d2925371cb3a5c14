// Destinations that are folders. A file appears whole, under a name that was free, and is on the disk before the message
// counts as delivered. Batches: HL7 v2.9 chapter 2.10.3
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { tryParse } from '../message/message.ts';
import type { Attempt, Channel, Parcel } from './channel.ts';
import type { FileDestination, FilePlaceholder } from './destination.ts';

/** Names of one message that are tried when others have them. */
const namesMax = 100;

export function createFileChannel(destination: FileDestination): Channel {
  const { batch } = destination;
  return {
    ...{ parcelsMax: batch?.messagesMax ?? 1, waitMs: batch?.waitMs ?? 0, host: undefined },
    async send(parcels): Promise<Attempt> {
      try {
        const rest = batch === undefined ? parcels : await beyondWritten(destination, parcels);
        if (rest.length === 0) return { kind: 'delivered', answer: null };
        const content = batch === undefined ? rest[0]!.body : batchOf(rest);
        await writeNew(destination, nameOf(destination, rest), content);
        return { kind: 'delivered', answer: null };
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        return { kind: 'unreachable', error: `The file could not be written (${code ?? 'unknown fault'})` };
      }
    },
    connections: () => 0,
    close: () => {},
  };
}

/** Characters that every file system takes; what a sender wrote into MSH-10 leads nowhere else. */
const safe = (text: string): string => text.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64);

/** The same whenever it is written: a file that a run wrote which did not come to say so is known again by its name. */
function nameOf(destination: FileDestination, parcels: readonly Parcel[]): string {
  const [first] = parcels;
  const { body, controlId, id, queuedMs } = first!;
  const queued = new Date(queuedMs).toISOString().replaceAll(/[-:]/g, '');
  const fields: Record<FilePlaceholder, string> = {
    // Wide enough that names sort as they were sent.
    id: String(id).padStart(12, '0'),
    controlId: safe(controlId) || 'none',
    destination: destination.name,
    date: queued.slice(0, 8),
    time: queued.slice(9, 15),
    type: destination.fileName.includes('{type}') ? typeOf(body) : '',
  };
  return destination.fileName.replaceAll(/\{(\w+)\}/g, (whole, name) => fields[name as FilePlaceholder] ?? whole);
}

/** `ORU_R01`; a batch is named by its first message. */
function typeOf(body: Buffer): string {
  const type = tryParse(body)?.segments[0]?.field(9);
  const names = [type?.component(1).text, type?.component(2).text].filter((name) => name !== undefined);
  return safe(names.join('_')) || 'none';
}

/**
 * The messages without those that a run wrote which did not come to say so: the file of the first one has it and some of those
 * behind it, as many as its BTS counts, byte for byte. More may have come meanwhile.
 */
async function beyondWritten(destination: FileDestination, parcels: readonly Parcel[]): Promise<readonly Parcel[]> {
  const { folder } = destination;
  const written = await readFile(path.join(folder, nameOf(destination, parcels))).catch(() => undefined);
  const count = Number(/[\r\n]BTS.([1-9]\d{0,3})\r$/.exec(written?.toString('latin1', written.length - 16) ?? '')?.[1]);
  if (!(count <= parcels.length) || !batchOf(parcels.slice(0, count)).equals(written!)) return parcels;
  await syncFolder(folder);
  return parcels.slice(count);
}

/** A file that is there with the same bytes is this message's, from a run that did not come to say so. */
async function writeNew({ folder }: FileDestination, name: string, content: Buffer): Promise<void> {
  await mkdir(folder, { recursive: true });
  const temporary = path.join(folder, `.${name}.tmp`);
  try {
    await writeThrough(temporary, content);
    const { base, extension } = split(name);
    for (let tried = 0; tried < namesMax; tried++) {
      const final = path.join(folder, tried === 0 ? name : `${base}~${tried}${extension}`);
      if ((await publish(temporary, final)) || (await holds(final, content))) return await syncFolder(folder);
    }
    throw Object.assign(new Error('no name is free'), { code: 'EEXIST' });
  } finally {
    // Also what a full disk took half of: it would keep the disk full.
    await rm(temporary, { force: true });
  }
}

function split(name: string): { base: string; extension: string } {
  const extension = path.extname(name);
  return { base: name.slice(0, name.length - extension.length), extension };
}

async function writeThrough(file: string, content: Buffer): Promise<void> {
  const handle = await open(file, 'w', 0o640);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** False when the name is taken. `rename` alone would overwrite what is there, so a link takes the name. */
async function publish(temporary: string, final: string): Promise<boolean> {
  try {
    await link(temporary, final);
    return true;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(code)) throw error;
  }
  // A share without links: one process writes to a destination, so nobody takes the name in between.
  if (await stat(final).catch(() => undefined)) return false;
  await rename(temporary, final);
  return true;
}

const holds = async (file: string, content: Buffer): Promise<boolean> =>
  (await readFile(file).catch(() => undefined))?.equals(content) ?? false;

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  // Windows and some shares do not sync folders.
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

const carriageReturn = Buffer.from('\r');

/**
 * BHS, the messages, BTS with their count; sender and receiver are those of the first message, byte for byte. Its time is that
 * of its last message: made once more after a crash it is the same.
 */
function batchOf(parcels: readonly Parcel[]): Buffer {
  const first = tryParse(parcels[0]!.body);
  const separator = first?.delimiters.field ?? '|';
  const of = (field: number): string => first?.segments[0]?.field(field).raw ?? '';
  const time = `${new Date(parcels.at(-1)!.queuedMs).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}+0000`;
  const head = ['BHS', of(2) || '^~\\&', of(3), of(4), of(5), of(6), time, '', '', '', String(parcels[0]!.id)];
  const pieces: Buffer[] = [Buffer.from(`${head.join(separator)}\r`, 'latin1')];
  for (const { body } of parcels)
    pieces.push(body, ...(/[\r\n]/.test(String.fromCharCode(body.at(-1) ?? 0)) ? [] : [carriageReturn]));
  pieces.push(Buffer.from(`BTS${separator}${parcels.length}\r`));
  return Buffer.concat(pieces);
}
