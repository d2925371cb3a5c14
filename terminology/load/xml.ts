// XML files as they are read, in whatever encoding they declare: https://www.w3.org/TR/xml/#charencoding
import { TextDecoder } from 'node:util';
import { SaxesParser } from 'saxes';
import { CerebraError } from '#platform';
import type { ReleaseFile } from './release.ts';

export interface XmlEvents {
  /** `line` from 1. */
  open(name: string, attributes: Record<string, string>, line: number): void;
  /** `text`: what stands directly in the element, without its children's. */
  close(name: string, text: string, line: number): void;
}

const DEPTH_MAX = 10_000;
/** Of one element: the longest notes of ICD-10-CM have 4 kB. */
const TEXT_CHARACTERS_MAX = 4 * 1024 * 1024;
/** A declaration stands at the start or not at all. */
const DECLARATION_BYTES = 200;

function encodingOf(start: Buffer): string {
  if (start[0] === 0xff && start[1] === 0xfe) return 'utf-16le';
  if (start[0] === 0xfe && start[1] === 0xff) return 'utf-16be';
  const declaration = start.toString('latin1', 0, DECLARATION_BYTES);
  return /^(?:\xef\xbb\xbf)?\s*<\?xml[^>]*\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']/.exec(declaration)?.[1] ?? 'utf-8';
}

function decoderOf(start: Buffer, name: string): TextDecoder {
  const encoding = encodingOf(start);
  try {
    return new TextDecoder(encoding, { fatal: true });
  } catch {
    throw new CerebraError('invalid', `${name}: the encoding ${encoding} is not known`);
  }
}

interface Text {
  parts: string[];
  characters: number;
}

/** `fail` is called with what is wrong and throws. */
function createParser(events: XmlEvents, fail: (what: string) => never): SaxesParser {
  const parser = new SaxesParser();
  const texts: Text[] = [];
  const take = (text: string): void => {
    const own = texts.at(-1);
    if (!own) return;
    own.parts.push(text);
    own.characters += text.length;
    if (own.characters > TEXT_CHARACTERS_MAX) fail(`a text is longer than ${TEXT_CHARACTERS_MAX} characters`);
  };
  parser.on('error', (error) => fail(error.message.replace(/^\d+:\d+: /, '')));
  parser.on('opentag', ({ name, attributes }) => {
    texts.push({ parts: [], characters: 0 });
    if (texts.length > DEPTH_MAX) fail(`elements are nested deeper than ${DEPTH_MAX}`);
    events.open(name, attributes as Record<string, string>, parser.line);
  });
  parser.on('text', take);
  parser.on('cdata', take);
  parser.on('closetag', ({ name }) => events.close(name, texts.pop()!.parts.join(''), parser.line));
  return parser;
}

/** saxes holds back a text or a tag until it ends: so many characters of one that does not end. */
const UNENDED_CHARACTERS_MAX = 32 * 1024 * 1024;

/**
 * Calls `events` as the file is read, and waits for `between` now and then. Throws `invalid`, with file and line, for what is
 * not well-formed or not in its encoding.
 */
export async function readXml(file: ReleaseFile, events: XmlEvents, between: () => Promise<void>): Promise<void> {
  let decoder: TextDecoder | undefined;
  let unended = 0;
  const fail = (what: string): never => {
    throw new CerebraError('invalid', `${file.name}:${parser.line}: ${what}`);
  };
  const counted: XmlEvents = {
    open(...event) {
      unended = 0;
      events.open(...event);
    },
    close(...event) {
      unended = 0;
      events.close(...event);
    },
  };
  const parser = createParser(counted, fail);
  const decode = (piece?: Buffer): string => {
    try {
      return decoder!.decode(piece, { stream: piece !== undefined });
    } catch {
      return fail(`not in the encoding ${decoder!.encoding}`);
    }
  };
  for await (const piece of file.read()) {
    decoder ??= decoderOf(piece, file.name);
    const text = decode(piece);
    unended += text.length;
    if (unended > UNENDED_CHARACTERS_MAX) fail('a tag or text does not end');
    parser.write(text);
    await between();
  }
  if (!decoder) throw new CerebraError('invalid', `${file.name}: the file is empty`);
  parser.write(decode());
  parser.close();
}
