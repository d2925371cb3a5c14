// Certificates for tests of TLS: https://www.rfc-editor.org/rfc/rfc5280#section-4.1, in DER (ITU-T X.690)
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** Both as PEM. */
export interface TestCertificate {
  cert: string;
  key: string;
}

export interface TestAuthority extends TestCertificate {
  /** A certificate that it vouches for, for localhost and 127.0.0.1; `name` is its common name. */
  issue(name: string): TestCertificate;
}

/** Valid from yesterday to tomorrow. */
export function createTestAuthority(name: string): TestAuthority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const own = { name, publicKey: keys.publicKey };
  const issuer = { name, privateKey: keys.privateKey };
  return {
    ...pemOf(certificate(own, issuer, true), keys.privateKey),
    issue(subject) {
      const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const made = certificate({ name: subject, publicKey: theirs.publicKey }, issuer, false);
      return pemOf(made, theirs.privateKey);
    },
  };
}

const pemOf = (der: Buffer, key: KeyObject): TestCertificate => ({
  cert: `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  key: key.export({ type: 'pkcs8', format: 'pem' }) as string,
});

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: Buffer[]): Buffer => der(0x30, ...parts);
const bitString = (content: Buffer): Buffer => der(0x03, Buffer.of(0), content);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const [ecdsaWithSha256, commonName] = [oid('2a8648ce3d040302'), oid('550403')];
const [subjectAltName, basicConstraints] = [oid('551d11'), oid('551d13')];

const nameOf = (name: string): Buffer => sequence(der(0x31, sequence(commonName, der(0x0c, Buffer.from(name)))));

const dayMs = 86_400_000;

/** UTCTime. */
const time = (ms: number): Buffer =>
  der(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replaceAll(/[-:T]/g, '')}Z`));

function certificate(
  subject: { name: string; publicKey: KeyObject },
  issuer: { name: string; privateKey: KeyObject },
  isAuthority: boolean,
): Buffer {
  const isCa = der(0x01, Buffer.of(0xff));
  const hosts = sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])));
  const extension = isAuthority
    ? sequence(basicConstraints, isCa, der(0x04, sequence(isCa)))
    : sequence(subjectAltName, der(0x04, hosts));
  const signed = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1), randomBytes(8)),
    sequence(ecdsaWithSha256),
    nameOf(issuer.name),
    sequence(time(Date.now() - dayMs), time(Date.now() + dayMs)),
    nameOf(subject.name),
    subject.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extension)),
  );
  return sequence(signed, sequence(ecdsaWithSha256), bitString(sign('sha256', signed, issuer.privateKey)));
}
