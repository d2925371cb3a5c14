// What a message is found by: the words of its text, its patients' identifiers, what its header and its outcome say.
import { foldString } from '#fhir-model';
import { ownValue } from '#platform';
import { codecOf } from '../message/codec.ts';
import { type Hl7Message, type Part, tryParse } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';

/** A message's row, as far as it is searched by. */
export interface Searched {
  state: string;
  sender: string;
  type: string;
  control_id: string;
  control_id_reused: boolean;
  source_kind: string | null;
  source_name: string | null;
  route_id: string | null;
  warned: boolean;
}

/** Bytes of a message whose words are looked at: beyond are documents. */
export const searchedBytesMax = 4 * 1024 * 1024;
/** Words of one message, and characters of one: base64 is no text. */
const wordsMax = 50_000;
const wordCharactersMax = 64;
const runCharactersMax = 200;

const ascii = /^[\x00-\x7f]*$/;
const marks = /\p{M}+/gu;

/** What stays of these two alphabets without its marks: letters such as ß and ł, which Unicode does not take apart. */
const letters = /[[\p{Script=Latin}\p{Script=Greek}]--[a-z]]+/gv;

/** Messages that came before letters such as ß were folded are in the index so. */
const foldedBefore = (text: string): string =>
  ascii.test(text) ? text.toLowerCase() : text.normalize('NFKD').replaceAll(marks, '').toLowerCase();

/** Case and diacritics make no difference, as in a FHIR search: `MÜLLER` and `muller` are one word, `Strauß` and `STRAUSS`. */
export function folded(text: string): string {
  const plain = foldedBefore(text);
  return ascii.test(plain) ? plain : plain.replaceAll(letters, foldString);
}

const plainRun = /^[a-z0-9]+$/;
const edges = /^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu;
const between = /[^\p{L}\p{N}]+/u;

/** `runs`: what stands between delimiters and blanks. Each is a word, and so are its parts: `24323-8`, `24323`, `8`. */
function addWords(words: Set<string>, runs: Iterable<string>): void {
  for (const run of runs) {
    if (words.size >= wordsMax) return;
    if (run.length > runCharactersMax) continue;
    if (plainRun.test(run)) {
      if (run.length <= wordCharactersMax) words.add(run);
      continue;
    }
    const whole = run.replaceAll(edges, '');
    if (whole === '' || whole.length > wordCharactersMax) continue;
    words.add(whole);
    const parts = whole.split(between);
    if (parts.length > 1) for (const part of parts) words.add(part);
  }
}

const queryRuns = /[^\s|^~&\\]+/g;
const escapable = /[.*+?^${}()|[\]\\/-]/g;

/** The words that a query asks for, all of them to be found; the same form as those of a message. */
export const queryWords = (text: string): string[] => wordsOf(folded(text));

const wordsOf = (text: string): string[] =>
  (text.match(queryRuns) ?? []).map((run) => run.replaceAll(edges, '')).filter((word) => word !== '');

/** A term, and the one that an older message has in its place where that differs. */
const eitherHash = (kind: TermKind, now: string, before: string): number[] =>
  now === before ? [termHash(kind, now)] : [termHash(kind, now), termHash(kind, before)];

/** For each of `queryWords` the hashes of which one is in the index. */
export function queryWordHashes(text: string): number[][] {
  const before = wordsOf(foldedBefore(text));
  return queryWords(text).map((word, index) => eitherHash('word', word, before[index] ?? word));
}

/**
 * An escape sequence as far as words go: an escaped delimiter parts them, \\X41\\ is the character it means (`bytes`: of one or
 * several sequences, over which a character may be spread), highlighting vanishes, any other command is a blank.
 */
function resolved({ coding }: Hl7Message, bytes: string | undefined, sequence: string): string {
  if (bytes === undefined) return sequence === 'H' || sequence === 'N' ? '' : ' ';
  return coding.decode(coding.fromBytes(Buffer.from(bytes.replaceAll(/[^0-9A-Fa-f]/g, ''), 'hex')));
}

const hexadecimal = 'X(?:[0-9A-Fa-f]{2}){1,100}';
const sequencesOf = new Map<string, RegExp>();

/** Where UTF-8 is declared and some bytes are none, each part by itself, as its fields are read: other names are still found. */
function decoded(bytes: Buffer, message: Hl7Message | undefined): string {
  const charset = message?.charset ?? 'windows-1252';
  if (charset !== 'windows-1252' || !message?.charsetMismatch) return codecOf(charset).decode(bytes);
  const { field, component, repetition, subcomponent } = message.delimiters;
  return bytes
    .toString('latin1')
    .replaceAll(runPattern(field + component + repetition + subcomponent), message.coding.decode);
}

/** The text, and the characters that part its words. Bytes that are no HL7 are read as they are. */
function textOf(raw: Buffer, message: Hl7Message | undefined): { text: string; delimiters: string } {
  const text = decoded(raw.subarray(0, searchedBytesMax), message);
  if (message === undefined) return { text, delimiters: '|^~&\\' };
  const { field, component, repetition, escape: mark, subcomponent } = message.delimiters;
  const delimiters = field + component + repetition + subcomponent + mark;
  if (mark === '') return { text, delimiters };
  const sequences = remembered(sequencesOf, mark, (one) => {
    const escaped = one.replaceAll(escapable, '\\$&');
    const bytes = `${hexadecimal}(?:${escaped}${escaped}${hexadecimal})*`;
    return new RegExp(`${escaped}(?:(${bytes})|([A-Z.][0-9A-Za-z.+-]{0,200}))${escaped}`, 'g');
  });
  return { text: text.replaceAll(sequences, (_, bytes, sequence) => resolved(message, bytes, sequence)), delimiters };
}

/** Senders have a handful of delimiters; who forges others shall not fill the memory. */
const rememberedMax = 100;

function remembered(known: Map<string, RegExp>, name: string, make: (name: string) => RegExp): RegExp {
  const found = known.get(name) ?? make(name);
  if (known.size < rememberedMax) known.set(name, found);
  return found;
}

const runsOf = new Map<string, RegExp>();

const runPattern = (delimiters: string): RegExp =>
  remembered(runsOf, delimiters, (all) => new RegExp(`[^\\s${all.replaceAll(escapable, '\\$&')}]+`, 'g'));

export interface Read {
  words: ReadonlySet<string>;
  /** As `777` and, with each part of its assigning authority, `777^hosp`. */
  patients: ReadonlySet<string>;
}

/** Never throws, whatever the bytes. */
export function readTerms(raw: Buffer): Read {
  const message = tryParse(raw);
  const { text, delimiters } = textOf(raw, message);
  const words = new Set<string>();
  addWords(words, folded(text).match(runPattern(delimiters)) ?? []);
  return { words, patients: message === undefined ? new Set() : patientsOf(message) };
}

/** Fields with identifiers of the patient: PID-2 to 4, and MRG-1 of the one that was merged away. */
const identifierFields: Readonly<Record<string, readonly number[]>> = { PID: [2, 3, 4], MRG: [1] };
const identifiersMax = 1_000;

function patientsOf(message: Hl7Message): Set<string> {
  const found = new Set<string>();
  for (const segment of message.segments) {
    for (const field of ownValue(identifierFields, segment.name) ?? []) {
      for (const id of repetitionsOf(segment.field(field))) addPatient(found, id);
      if (found.size > identifiersMax) return found;
    }
  }
  return found;
}

function repetitionsOf(field: Part): Part[] {
  try {
    return field.repetitions();
  } catch (error) {
    if (error instanceof Refusal) return [];
    throw error;
  }
}

function addPatient(found: Set<string>, id: Part): void {
  const value = id.component(1).text;
  if (value === undefined) return;
  found.add(folded(value));
  const authority = id.component(4);
  for (const part of [authority.subcomponent(1).text, authority.subcomponent(2).text]) {
    if (part !== undefined) found.add(folded(`${value}^${part}`));
  }
}

function patientTerm(text: string): string {
  const cx = /^([^^]*)\^[^^]*\^[^^]*\^([^^&]+)/.exec(text);
  if (cx !== null) return `${cx[1]}^${cx[2]}`;
  const token = /^([^|]+)\|(.+)$/.exec(text);
  return token === null ? text : `${token[2]}^${token[1]}`;
}

/** `777`, `777^^^HOSP` as in PID-3, or `HOSP|777` as in a FHIR search: the form that readTerms yields. */
export const patientQuery = (text: string): string => folded(patientTerm(text));

/** Hashes of which one is in the index. */
export const patientQueryHashes = (text: string): number[] =>
  eitherHash('patient', patientQuery(text), foldedBefore(patientTerm(text)));

/** Numbers of all patients that the message names, in the form of Read: what keeps a patient's messages in order. Never throws. */
export function patientNumbers(raw: Buffer): ReadonlySet<string> {
  const message = tryParse(raw);
  return message === undefined ? new Set() : patientsOf(message);
}

/** What a term is about: equal texts of different kinds are different terms. */
export type TermKind = 'word' | 'patient' | 'type' | 'sender' | 'control' | 'source' | 'route' | 'state' | 'flag';

/** FNV-1a over UTF-16 code units with the last mix of murmur3: 32 bits. Hits are checked against the message. */
export function termHash(kind: TermKind, text: string): number {
  let hash = 0x811c9dc5 ^ kind.charCodeAt(0) ^ (kind.charCodeAt(1) << 8);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** What may be another after another attempt. */
export function outcomeTerms(row: Pick<Searched, 'state' | 'route_id' | 'warned'>): number[] {
  const terms = [termHash('state', row.state)];
  if (row.route_id !== null) terms.push(termHash('route', row.route_id));
  if (row.warned) terms.push(termHash('flag', 'warned'));
  return terms;
}

/** The sender as `application|facility`, and each of the two. */
const senderNames = (sender: string): string[] => [sender, ...sender.split('|')];

function headerTerms(row: Searched): number[] {
  const terms = [termHash('type', row.type), termHash('control', row.control_id)];
  const [code] = row.type.split('^');
  if (code !== undefined && code !== row.type) terms.push(termHash('type', code));
  for (const name of senderNames(row.sender)) terms.push(termHash('sender', name));
  if (row.source_kind !== null) terms.push(termHash('source', row.source_kind));
  if (row.source_name !== null) terms.push(termHash('source', row.source_name));
  if (row.control_id_reused) terms.push(termHash('flag', 'reused'));
  return terms;
}

/** All terms of a message. */
export function messageTerms(row: Searched, raw: Buffer): Set<number> {
  const { words, patients } = readTerms(raw);
  const terms = new Set<number>([...headerTerms(row), ...outcomeTerms(row)]);
  for (const word of words) terms.add(termHash('word', word));
  for (const patient of patients) terms.add(termHash('patient', patient));
  return terms;
}
