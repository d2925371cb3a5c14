// Lists of addresses in CIDR notation: https://www.rfc-editor.org/rfc/rfc4632#section-3.1, https://www.rfc-editor.org/rfc/rfc4291#section-2.3
import { BlockList, isIP } from 'node:net';

export interface AddressList {
  has(address: string): boolean;
}

/** `10.1.2.0/24`, `2001:db8::/32` or a single address; undefined when it is none. */
function parse(text: string): { address: string; bits: number; family: 'ipv4' | 'ipv6' } | undefined {
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  const bitsMax = version === 6 ? 128 : 32;
  const bits = prefix === undefined ? bitsMax : Number(prefix);
  const isBits = prefix === undefined || /^\d{1,3}$/.test(prefix);
  if (version === 0 || rest.length > 0 || !isBits || bits > bitsMax) return undefined;
  return { address, bits, family: version === 6 ? 'ipv6' : 'ipv4' };
}

/** Whether the text is an address or a range of some, but not one of all addresses. */
export function isRange(text: string): boolean {
  return (parse(text)?.bits ?? 0) > 0;
}

/** `ranges` that `isRange` has taken. */
export function createAddressList(ranges: readonly string[]): AddressList {
  const list = new BlockList();
  for (const range of ranges) {
    const { address, bits, family } = parse(range)!;
    list.addSubnet(address, bits, family);
  }
  return { has: (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') };
}

/** A peer's address in one spelling: an IPv4 address that came in as IPv6 (`::ffff:10.0.0.1`) is itself, without zone. */
export function plainAddress(address: string | undefined): string {
  const text = (address ?? '').replace(/%.*$/, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1];
  return mapped ?? text;
}
