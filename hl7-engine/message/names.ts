// Names of character sets: MSH-18, HL7 table 0211 (http://terminology.hl7.org/CodeSystem/v2-0211), and what senders write instead

/** Table 0211 and common spellings -> WHATWG label; UTF-32 has none there and bears the name that iconv-lite gives it. */
const labels = new Map<string, string>([
  ['ASCII', 'us-ascii'],
  ['ISO IR6', 'us-ascii'],
  ['US-ASCII', 'us-ascii'],
  // ISO 8859-1 and -9 are read as windows-1252 and -1254, as browsers do: bytes 80 to 9F are letters and quotes there, and
  // never text in 8859.
  ['8859/1', 'windows-1252'],
  ['8859/2', 'iso-8859-2'],
  ['8859/3', 'iso-8859-3'],
  ['8859/4', 'iso-8859-4'],
  ['8859/5', 'iso-8859-5'],
  ['8859/6', 'iso-8859-6'],
  ['8859/7', 'iso-8859-7'],
  ['8859/8', 'iso-8859-8'],
  ['8859/9', 'windows-1254'],
  ['8859/10', 'iso-8859-10'],
  ['8859/11', 'windows-874'],
  ['8859/13', 'iso-8859-13'],
  ['8859/14', 'iso-8859-14'],
  ['8859/15', 'iso-8859-15'],
  ['8859/16', 'iso-8859-16'],
  ['ISO IR13', 'iso-2022-jp'],
  ['ISO IR14', 'iso-2022-jp'],
  ['ISO IR87', 'iso-2022-jp'],
  ['ISO IR159', 'iso-2022-jp'],
  ['GB 18030-2000', 'gb18030'],
  ['GB18030-2000', 'gb18030'],
  ['KS X 1001', 'euc-kr'],
  // EUC-TW, which the name means, is not what is sent under it.
  ['CNS 11643-1992', 'big5'],
  ['BIG-5', 'big5'],
  ['UNICODE', 'utf-8'],
  ['UNICODE UTF-8', 'utf-8'],
  ['UNICODE UTF-16', 'utf-16be'],
  ['UTF-16', 'utf-16be'],
  ['UTF-16BE', 'utf-16be'],
  ['UNICODE UTF-32', 'utf-32be'],
  ['UTF-32', 'utf-32be'],
  ['UTF-32BE', 'utf-32be'],
  ['UTF-32LE', 'utf-32le'],
]);

/** GBK and GB 2312 are parts of GB 18030; what else Windows and Java call Shift_JIS and EUC-KR. */
const aliases = new Map<string, string>([
  ['gbk', 'gb18030'],
  ['windows-936', 'gb18030'],
  ['cp936', 'gb18030'],
  ['windows-949', 'euc-kr'],
  ['cp949', 'euc-kr'],
  ['windows-950', 'big5'],
  ['cp950', 'big5'],
  ['cp932', 'shift_jis'],
  ['ms932', 'shift_jis'],
  ['shiftjis', 'shift_jis'],
  ['iso-8859-8-i', 'iso-8859-8'],
]);

/**
 * The label of a character set by its name in MSH-18 or by a name of the web (`8859/1` and `ISO-8859-1` are
 * `windows-1252`, `GBK` is `gb18030`); undefined where it has none.
 */
export function charsetLabel(name: string): string | undefined {
  const plain = name.trim().toUpperCase();
  const known = labels.get(plain) ?? labels.get(plain.replace(/^ISO[ _-]?8859[ _/-](?=\d)/, '8859/'));
  if (known !== undefined) return known;
  const lower = plain.toLowerCase();
  try {
    const label = new TextDecoder(aliases.get(lower) ?? lower).encoding;
    return aliases.get(label) ?? label;
  } catch {
    return undefined;
  }
}

/**
 * The label of all repetitions of MSH-18 together. The first is that of the whole message. Where it is empty or ASCII, JIS
 * sets may follow (`~ISO IR87`), to which the message switches and back; of another that follows (`~SHIFT_JIS`) are the bytes
 * that are no ASCII.
 */
export function declaredLabel(repetitions: readonly string[]): string | undefined {
  const [first = '', ...others] = repetitions.map((name) => name.trim());
  const label = first === '' ? undefined : charsetLabel(first);
  if (label !== undefined && label !== 'us-ascii') return label;
  if (label === undefined && first !== '') return undefined;
  const named = others.map(charsetLabel).filter((other) => other !== undefined && other !== 'us-ascii');
  return named.includes('iso-2022-jp') ? 'iso-2022-jp' : (named[0] ?? label);
}
