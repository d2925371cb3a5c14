import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { configMarkdown, isLoopback, readConfig, variables } from './config.ts';
import { CerebraError } from './errors.ts';

const problemOf = (environment: Record<string, string>): string => {
  try {
    readConfig(environment);
  } catch (error) {
    assert.ok(error instanceof CerebraError);
    assert.equal(error.code, 'config');
    return error.message;
  }
  return assert.fail('expected a config error');
};

describe('readConfig', () => {
  it('has a default for every variable', () => {
    const config = readConfig({});
    assert.equal(config.PORT, 8080);
    assert.equal(config.HOST, '127.0.0.1');
    assert.equal(config.DATABASE_URL, undefined);
    assert.equal(config.SEARCH_COUNT_DEFAULT, 20);
    assert.equal(config.SEARCH_COUNT_MAX, 1000);
    assert.deepEqual(Object.keys(config).sort(), Object.keys(variables).sort());
  });

  it('takes an empty variable as not set', () => {
    assert.equal(readConfig({ PORT: '', MQTT_URL: '' }).PORT, 8080);
  });

  it('takes port 0', () => {
    assert.equal(readConfig({ PORT: '0' }).PORT, 0);
  });

  for (const [name, value, message] of [
    ['PORT', '65536', 'PORT=65536: allowed is a whole number from 0 to 65535'],
    ['PORT', '-1', 'PORT=-1: allowed is a whole number from 0 to 65535'],
    ['PORT', '80.5', 'PORT=80.5: allowed is a whole number from 0 to 65535'],
    ['PORT', '1e3', 'PORT=1e3: allowed is a whole number from 0 to 65535'],
    ['POOL_MAX', 'many', 'POOL_MAX=many: allowed is a whole number from 2 to 1000'],
    ['LOG_LEVEL', 'loud', 'LOG_LEVEL=loud: allowed is trace, debug, info, warn, error, silent'],
    ['HL7_TIME_ZONE', 'Mars/Base', 'HL7_TIME_ZONE=Mars/Base: allowed is an IANA time zone such as Europe/Berlin'],
  ] as const) {
    it(`refuses ${name}=${value}`, () => assert.equal(problemOf({ [name]: value }), message));
  }

  const base =
    'BASE_URL=…: allowed is a URL of http:// or https:// with a path, such as https://fhir.example.org/fhir/R4, without user, `?` and `#`';
  for (const value of [
    'https://fhir.example.org',
    'https://fhir.example.org/',
    'https://fhir.example.org/fhir?a=1',
    'https://fhir.example.org/fhir#a',
    'https://user:secret@fhir.example.org/fhir',
    'https://fhir.example.org/admin/fhir',
    'https://fhir.example.org/a/../b',
    'https://fhir.example.org/fhir ',
    'ftp://fhir.example.org/fhir',
    'fhir.example.org',
  ]) {
    it(`refuses BASE_URL=${value}`, () => assert.equal(problemOf({ BASE_URL: value }), base));
  }
  for (const value of ['https://fhir.example.org/r4', 'http://[::1]:8080/fhir/R4/', 'HTTPS://Fhir.Example.org/a/b']) {
    it(`takes BASE_URL=${value}`, () => assert.equal(readConfig({ BASE_URL: value }).BASE_URL, value));
  }

  it('does not show the password of a wrong URL', () => {
    assert.equal(
      problemOf({ DATABASE_URL: 'mysql://user:secret@host/db' }),
      'DATABASE_URL=…: allowed is a URL of postgres:// or postgresql://',
    );
  });

  it('does not show the password of a wrong KAFKA_SASL', () => {
    assert.equal(
      problemOf({ KAFKA_SASL: 'PLAIN cerebra:secret' }),
      'KAFKA_SASL=…: allowed is `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`, then `:user:password`',
    );
  });

  it('names all wrong variables at once', () => {
    assert.equal(problemOf({ PORT: 'x', REDIS_URL: 'x' }).split('\n').length, 2);
  });

  it('refuses to be open beyond loopback', () => {
    for (const HOST of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.0.0.1.example.org', '127.0.0.256']) {
      assert.match(problemOf({ HOST }), /^HOST=.*must be a loopback address/);
    }
  });

  it('refuses AUTH=smart as not available', () => {
    assert.match(problemOf({ AUTH: 'smart' }), /^AUTH=smart: .* not available in this version/);
  });

  it('refuses a default page larger than the largest', () => {
    assert.match(
      problemOf({ SEARCH_COUNT_MAX: '10' }),
      /^SEARCH_COUNT_DEFAULT=20: allowed is at most SEARCH_COUNT_MAX=10/,
    );
  });
});

describe('isLoopback', () => {
  it('knows loopback addresses', () => {
    for (const host of ['127.0.0.1', '127.255.255.254', '::1', 'localhost']) assert.equal(isLoopback(host), true);
  });
});

describe('docs/configuration.md', () => {
  it('is up to date (npm run docs)', async () => {
    const page = await readFile(path.join(import.meta.dirname, '../docs/configuration.md'), 'utf8');
    assert.equal(page, configMarkdown());
    for (const row of page.split('\n').filter((line) => line.startsWith('|'))) {
      assert.equal(row.match(/(?<!\\)\|/g)?.length, 5, row);
    }
  });
});
