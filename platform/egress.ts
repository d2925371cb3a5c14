// Which addresses the server may be made to call: https://hl7.org/fhir/R4/subscription.html#safety
// Somebody else names the URL, the server sits inside the network: without this a Subscription would read cloud
// credentials from a metadata service or post into the hospital's own systems.
import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';
import { CerebraError } from './errors.ts';

/**
 * Ranges that are open though they are closed by default: `loopback`, `private`, or one in CIDR notation
 * (`10.20.0.0/16`). Link-local, metadata, multicast and reserved ranges stay closed whatever is listed.
 */
export type EgressAllow = readonly string[];

export interface Egress {
  /** Why this URL can't be an endpoint, before any connection is made; undefined if it can. */
  refuseUrl(url: URL): string | undefined;
  /** `lookup` of net.connect: yields only addresses that may be called, so a name that changes its address later is no way in. */
  lookup: LookupFunction;
}

/** Thrown when every address of an endpoint is closed. */
const addressRefused = 'The endpoint resolves to an address that this server does not call';

function ranges(...cidrs: string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) addRange(list, cidr);
  return list;
}

function addRange(list: BlockList, cidr: string): void {
  const [address = '', prefix = ''] = cidr.split('/');
  const bits = Number(prefix);
  const family = isIP(address);
  if (family === 0 || !/^\d{1,3}$/.test(prefix) || bits > (family === 6 ? 128 : 32)) {
    throw new CerebraError('config', `EGRESS_ALLOW: '${cidr}' is not loopback, private or a range such as 10.1.0.0/16`);
  }
  list.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4');
}

// https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-special-registry. Three metadata services
// stand outside the link-local range: 100.100.100.200 (Alibaba), 192.0.0.192 (Oracle), fd00:ec2::254 (AWS).
const closedAlways = ranges(
  '0.0.0.0/8',
  '169.254.0.0/16',
  '100.100.100.200/32',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  'fe80::/10',
  'fd00:ec2::/32',
  'ff00::/8',
  '100::/64',
  '2001:db8::/32',
);
const loopback = ranges('127.0.0.0/8', '::1/128');
const privateUse = ranges(
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '198.18.0.0/15',
  'fc00::/7',
  'fec0::/10',
);

/**
 * The IPv6 forms that carry an IPv4 address: mapped, compatible, NAT64 (64:ff9b::/96, and 64:ff9b:1::/48 of a local
 * network, https://www.rfc-editor.org/rfc/rfc8215) and 6to4 (2002::/16).
 */
function embeddedIPv4(address: string): string | undefined {
  const words = ipv6Words(address);
  if (!words) return undefined;
  const dotted = (high: number, low: number) => `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  if (words[0] === 0x2002) return dotted(words[1]!, words[2]!);
  const zeroTo = (end: number, from = 0) => words.slice(from, end).every((word) => word === 0);
  const mapped = zeroTo(5) && words[5] === 0xffff;
  const compatible = zeroTo(6) && (words[6] !== 0 || words[7]! > 1);
  const nat64 = words[0] === 0x64 && words[1] === 0xff9b && (words[2] === 1 || zeroTo(6, 2));
  return mapped || compatible || nat64 ? dotted(words[6]!, words[7]!) : undefined;
}

function ipv6Words(address: string): number[] | undefined {
  const plain = address.replace(/%.*$/, '');
  if (!isIPv6(plain)) return undefined;
  // The URL parser writes any IPv6 address as hexadecimal words.
  const [head = '', tail] = new URL(`http://[${plain}]/`).hostname.slice(1, -1).split('::');
  const parse = (part: string) => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16)));
  const first = parse(head);
  if (tail === undefined) return first;
  const last = parse(tail);
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}

/** Throws `config` when an entry of `allow` is none of the three. */
export function createEgress(allow: EgressAllow): Egress {
  const open = ranges(...allow.filter((entry) => entry !== 'loopback' && entry !== 'private'));
  const isOpen = (address: string): boolean => {
    const effective = embeddedIPv4(address) ?? address.replace(/%.*$/, '');
    const family = isIPv6(effective) ? 'ipv6' : 'ipv4';
    if (closedAlways.check(effective, family)) return false;
    if (open.check(effective, family)) return true;
    if (loopback.check(effective, family)) return allow.includes('loopback');
    if (privateUse.check(effective, family)) return allow.includes('private');
    return true;
  };
  return {
    refuseUrl: (url) => refuseUrl(url, isOpen),
    lookup: (hostname, options, callback) => {
      dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
        if (error) return callback(error, '');
        answerLookup(
          addresses.filter(({ address }) => isOpen(address)),
          options.all === true,
          callback,
        );
      });
    },
  };
}

function answerLookup(open: LookupAddress[], all: boolean, callback: Parameters<LookupFunction>[2]): void {
  const first = open[0];
  if (!first) callback(Object.assign(new Error(addressRefused), { code: 'EGRESS' }), '');
  else if (all) callback(null, open);
  else callback(null, first.address, first.family);
}

function refuseUrl(url: URL, isOpen: (address: string) => boolean): string | undefined {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'The endpoint must be an http: or https: URL';
  if (url.username || url.password) return 'The endpoint must not hold a user name or password; use a header';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) && !isOpen(host)) return 'The endpoint has an address that this server does not call (EGRESS_ALLOW)';
  return undefined;
}
