// Small tar archives for tests: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06
import { gzipSync } from 'node:zlib';

export interface TarPart {
  name: string;
  content?: string | Buffer;
  /** `0` a file, `5` a folder, `L` a long name of GNU tar, `x` a pax header. */
  kind?: string;
  prefix?: string;
  /** Another size than the content's, for damaged ones. */
  size?: number;
}

function headerOf({ name, content = '', kind = '0', prefix = '', size = Buffer.byteLength(content) }: TarPart): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  block.write('0000644\0', 100);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('        ', 148);
  block.write(kind, 156);
  block.write('ustar\x0000', 257);
  block.write(prefix, 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

export function tarOf(parts: readonly TarPart[]): Buffer {
  const blocks = parts.flatMap((part) => {
    const content = Buffer.from(part.content ?? '');
    return [headerOf(part), content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export const tgzOf = (parts: readonly TarPart[]): Buffer => gzipSync(tarOf(parts));
