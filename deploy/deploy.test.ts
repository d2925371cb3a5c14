// What can be checked of the deployment files without an engine; `docker compose` and `promtool` are used where they are.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';

const folder = import.meta.dirname;
const root = path.join(folder, '..');
const read = (name: string): string => readFileSync(path.join(folder, name), 'utf8');
const compose = read('docker-compose.yml');
const envExample = read('.env.example');

/** The text of one entry (`name:` and what is indented below it) of a block, comments left out. */
function block(text: string, name: string, indent: number): string {
  const lines = text.split('\n').filter((line) => !line.trim().startsWith('#'));
  const start = lines.findIndex((line) => line.startsWith(`${' '.repeat(indent)}${name}:`));
  assert.notEqual(start, -1, `no ${name}`);
  const length = lines.slice(start + 1).findIndex((line) => line !== '' && line.search(/\S/) <= indent);
  return lines.slice(start, length === -1 ? undefined : start + 1 + length).join('\n');
}

const namesIn = (text: string, indent: number): string[] =>
  [...text.matchAll(new RegExp(`^ {${indent}}([a-zA-Z][\\w-]*):`, 'gm'))].map((match) => match[1]!);

const services = block(compose, 'services', 0);
const service = (name: string): string => block(services, name, 2);

function has(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** .env.example with every empty value filled in. */
const filledEnv = envExample.replace(/^(\w+)=$/gm, '$1=abcdef0123456789');

describe('docker-compose.yml', () => {
  test('has the production shape', () => {
    assert.deepEqual(namesIn(services, 2), [
      'pod',
      'gateway',
      'server',
      'postgres',
      'redis',
      'mosquitto',
      'prometheus',
      'grafana',
    ]);
    assert.match(service('postgres'), /image: postgres:18\b/);
    assert.match(service('redis'), /--appendonly yes --appendfsync everysec/);
  });

  test('the server listens on loopback only and only the pod publishes what is behind it', () => {
    const server = service('server');
    assert.match(server, /HOST: 127\.0\.0\.1\n/);
    assert.match(server, /network_mode: service:pod\n/);
    assert.match(service('gateway'), /network_mode: service:pod\n/);
    for (const name of ['server', 'gateway', 'postgres', 'redis']) assert.doesNotMatch(service(name), /\bports:/);
    for (const name of ['prometheus', 'grafana']) assert.match(service(name), /ports: \["127\.0\.0\.1:/);
    assert.doesNotMatch(compose, /0\.0\.0\.0|privileged|\/var\/run\/docker\.sock/);
  });

  test('the published ports of the pod are what the gateway listens on, 127.0.0.1 aside', () => {
    const published = [...service('pod').matchAll(/\}:(\d+)"/g)].map((match) => match[1]);
    const listens = [...read('gateway/nginx.conf').matchAll(/listen (\d+) ssl;/g)].map((match) => match[1]);
    assert.deepEqual(listens, published);
    assert.doesNotMatch(service('pod'), /9464/);
  });

  test('the gateway lets web sockets through', () => {
    const gateway = read('gateway/nginx.conf');
    assert.match(gateway, /map \$http_upgrade \$upgrade \{\s+default "";\s+~\*\^websocket\$ websocket;\s+\}/);
    assert.match(gateway, /map \$upgrade \$connection \{\s+default upgrade;\s+"" "";\s+\}/);
    assert.match(gateway, /proxy_set_header Upgrade \$upgrade;\s+proxy_set_header Connection \$connection;/);
  });

  test('the gateway asks under a name that the server answers to, whatever name it is reached by', () => {
    const server = /listen 8443 ssl;[\s\S]*?\n {2}\}\n/.exec(read('gateway/nginx.conf'))![0];
    assert.deepEqual(server.match(/proxy_set_header Host .*/g), ['proxy_set_header Host localhost;']);
  });

  test('every secret must be given, none has a default', () => {
    const uses = [...compose.matchAll(/\$\{(\w*PASSWORD\w*)([^}]*)\}/g)];
    assert.equal(uses.length > 5, true);
    for (const [text, , rest] of uses) assert.match(rest!, /^:\?/, text);
    assert.doesNotMatch(compose, /PASSWORD\w*: (?!\$\{)/);
    for (const [line] of envExample.matchAll(/^\w*PASSWORD\w*=.*$/gm)) assert.match(line, /=$/);
  });

  test('.env.example has every variable that is used, and no other', () => {
    const used = new Set([...compose.matchAll(/(?<!\$)\$\{(\w+)/g)].map((match) => match[1]!));
    const listed = [...envExample.matchAll(/^(\w+)=/gm)].map((match) => match[1]!);
    assert.deepEqual(listed.sort(), [...used].sort());
  });

  test('the server gets only variables that it knows', () => {
    const known = readFileSync(path.join(root, 'docs/configuration.md'), 'utf8');
    const given = namesIn(block(service('server'), 'environment', 4), 6);
    assert.equal(given.length > 5, true);
    for (const name of given) assert.match(known, new RegExp(`\`${name}\``), name);
  });

  test('images have a version, services a restart policy and a health check', () => {
    for (const name of namesIn(services, 2)) {
      assert.match(service(name), /<<: \*hardened/, name);
      if (name === 'server') continue;
      assert.match(service(name), /image: [\w./-]+:v?\d+/, name);
      if (name !== 'pod') assert.match(service(name), /healthcheck:/, name);
    }
    assert.match(read('Dockerfile'), /HEALTHCHECK[\s\S]*\/healthz/);
  });

  test('volumes are declared, mounted files are there', () => {
    const declared = namesIn(block(compose, 'volumes', 0), 2);
    const mounts = [...services.matchAll(/(?:- |\[")([\w./-]+):\/[\w./-]+(?::ro)?/g)].map((match) => match[1]!);
    for (const mount of mounts.filter((each) => !each.startsWith('./secrets/'))) {
      if (mount.startsWith('./')) assert.equal(existsSync(path.join(folder, mount)), true, mount);
      else assert.equal(declared.includes(mount), true, mount);
    }
    assert.equal(mounts.length > 12, true);
  });

  const noCompose = has('docker', 'compose', 'version') ? false : 'docker compose is not here';
  test('docker compose reads it', { skip: noCompose }, () => {
    const scratch = mkdtempSync(path.join(tmpdir(), 'cerebra-compose-'));
    writeFileSync(path.join(scratch, 'env'), filledEnv);
    const file = path.join(folder, 'docker-compose.yml');
    const args = ['compose', '--env-file', path.join(scratch, 'env'), '-f', file, 'config', '--format', 'json'];
    const { status, stdout, stderr } = spawnSync('docker', args, { encoding: 'utf8' });
    rmSync(scratch, { recursive: true });
    assert.equal(status, 0, stderr);
    const config = JSON.parse(stdout) as { services: Record<string, { environment?: Record<string, string> }> };
    assert.equal(config.services.server?.environment?.HOST, '127.0.0.1');
  });
});

describe('Dockerfile', () => {
  const dockerfile = read('Dockerfile');
  const copied = [...dockerfile.matchAll(/^COPY ([\w-]+) \1$/gm)].map((match) => match[1]!);

  test('copies every room and the migrations, and nothing that is not there', () => {
    const { imports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      imports: Record<string, string>;
    };
    const rooms = Object.values(imports).map((target) => target.split('/')[1]!);
    assert.deepEqual(new Set(copied), new Set(['bin', 'migrations', ...rooms]));
    for (const name of copied) assert.equal(existsSync(path.join(root, name)), true, name);
    const ignore = read('Dockerfile.dockerignore');
    for (const name of [...copied, 'package.json', 'package-lock.json'])
      assert.match(ignore, new RegExp(`^!${name}$`, 'm'));
  });

  test('runs the Node of package.json, without dev dependencies, as an ordinary user', () => {
    const { devDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    assert.match(dockerfile, new RegExp(`^ARG NODE_VERSION=${devDependencies.node?.replaceAll('.', '\\.')}$`, 'm'));
    assert.match(dockerfile, /npm install --omit=dev/);
    assert.equal(dockerfile.lastIndexOf('\nUSER node\n') > dockerfile.lastIndexOf('\nRUN '), true);
  });
});

describe('Prometheus and Grafana', () => {
  /** Metric name -> how it is made, in the code. */
  const made = new Map<string, string>();
  for (const file of globSync('{platform,fhir-model,fhir-server,hl7-engine,connectors,subscriptions,bin}/**/*.ts', {
    cwd: root,
  })) {
    if (/\.test\.ts$/.test(file)) continue;
    const text = readFileSync(path.join(root, file), 'utf8');
    // Those of a family are named by their end: name('queued').
    const family = /=> `(cerebra_\w+_)\$\{\w+\}`/.exec(text)?.[1];
    for (const [, kind, name, end] of text.matchAll(
      /\b(counter|histogram|gauge|observe)\(\s*(?:'(cerebra_\w+)'|name\('(\w+)'\))/g,
    )) {
      made.set(name ?? `${family}${end}`, kind!);
    }
  }

  function assertMade(expression: string): void {
    for (const [name] of expression.matchAll(/\bcerebra_\w+/g)) {
      const base = name.replace(/_(bucket|count|sum)$/, '');
      const isHistogram = made.get(base) === 'histogram';
      assert.equal(isHistogram ? base !== name : made.has(name), true, `${name} is not a metric of the code`);
    }
  }

  const dashboard = JSON.parse(read('grafana/dashboards/cerebra.json')) as {
    uid: string;
    panels: { id: number; title: string; gridPos: { x: number; y: number; w: number }; targets: { expr: string }[] }[];
  };

  test('every metric on the dashboard exists', () => {
    for (const panel of dashboard.panels) for (const { expr } of panel.targets) assertMade(expr);
  });

  test('the dashboard shows each part of the server', () => {
    const shown = dashboard.panels.flatMap((panel) => panel.targets.map(({ expr }) => expr)).join('\n');
    for (const part of [
      'http',
      'db_pool',
      'hl7',
      'mqtt_readings',
      'mqtt_dead_letters',
      'dispatcher_lag',
      'deliveries',
      'dispatcher_matches',
      'websocket_connections',
      'delivery_latency_seconds_bucket\\{channel=~"alert\\|score"',
      'escalations',
      'escalation_messages',
      'escalation_answers',
      'kafka_lag_seconds',
      'hl7_stage_seconds_bucket',
      'hl7_outbound_oldest_seconds',
    ]) {
      assert.match(shown, new RegExp(`cerebra_${part}`));
    }
    for (const quantile of ['0.5', '0.95', '0.99'])
      assert.match(shown, new RegExp(`histogram_quantile\\(${quantile},`));
    const ids = dashboard.panels.map((panel) => panel.id);
    assert.equal(new Set(ids).size, ids.length);
    for (const { gridPos } of dashboard.panels) assert.equal(gridPos.x + gridPos.w <= 24, true);
    const places = dashboard.panels.map(({ gridPos: { x, y } }) => `${x},${y}`);
    assert.equal(new Set(places).size, places.length, 'no two panels at one place');
  });

  test('every metric of the alerts exists, every alert is explained and tried', () => {
    const alerts = read('prometheus/alerts.yml');
    assertMade(alerts);
    const operations = readFileSync(path.join(root, 'docs/operations.md'), 'utf8');
    const names = [...alerts.matchAll(/- alert: (\w+)/g)].map((match) => match[1]!);
    for (const name of names) assert.match(operations, new RegExp(`\`${name}\``), name);
    assert.match(read('prometheus/alerts.test.yml'), new RegExp(`value: ${names.length} `));
  });

  test('Prometheus scrapes what the gateway offers it', () => {
    const port = /targets: \["pod:(\d+)"\]/.exec(read('prometheus/prometheus.yml'))?.[1];
    assert.match(read('gateway/nginx.conf'), new RegExp(`listen ${port};`));
  });

  const noPromtool = has('promtool', '--version') ? false : 'promtool is not here';
  test('promtool accepts the rules and their tests', { skip: noPromtool }, () => {
    const { status, stderr, stdout } = spawnSync('promtool', ['test', 'rules', 'prometheus/alerts.test.yml'], {
      cwd: folder,
    });
    assert.equal(status, 0, `${stderr}${stdout}`);
  });
});

describe('init.sh', () => {
  const noOpenssl = has('openssl', 'version') ? false : 'openssl is not here';

  test('makes secrets once, readable by their owner', { skip: noOpenssl }, (t) => {
    const scratch = mkdtempSync(path.join(tmpdir(), 'cerebra-init-'));
    t.after(() => rmSync(scratch, { recursive: true }));
    cpSync(path.join(folder, 'init.sh'), path.join(scratch, 'init.sh'));
    cpSync(path.join(folder, '.env.example'), path.join(scratch, '.env.example'));
    const run = () => spawnSync('sh', [path.join(scratch, 'init.sh'), 'cerebra.example.org'], { encoding: 'utf8' });
    const first = run();
    assert.equal(first.status, 0, first.stderr);
    const env = readFileSync(path.join(scratch, '.env'), 'utf8');
    const passwords = [...env.matchAll(/^\w+_PASSWORD=([0-9a-f]{48})$/gm)].map((match) => match[1]!);
    assert.equal(new Set(passwords).size, [...envExample.matchAll(/_PASSWORD=/g)].length);
    assert.match(env, /^BASE_URL=https:\/\/cerebra\.example\.org:8443\/fhir\/R4$/m);
    assert.equal(statSync(path.join(scratch, '.env')).mode & 0o077, 0);

    const secret = (name: string) => path.join(scratch, 'secrets', name);
    const authority = new X509Certificate(readFileSync(secret('ca/ca.crt')));
    for (const name of ['gateway', 'mosquitto', 'mllp-client']) {
      const certificate = new X509Certificate(readFileSync(secret(`${name}/tls.crt`)));
      assert.equal(certificate.verify(authority.publicKey), true, name);
      assert.equal(statSync(secret(`${name}/tls.key`)).mode & 0o077, 0, name);
    }
    const gateway = new X509Certificate(readFileSync(secret('gateway/tls.crt')));
    assert.equal(gateway.checkHost('cerebra.example.org'), 'cerebra.example.org');
    assert.equal(statSync(secret('ca/ca.key')).mode & 0o077, 0);

    const before = ['.env', 'secrets/gateway/users', 'secrets/ca/ca.key'].map((name) =>
      readFileSync(path.join(scratch, name), 'utf8'),
    );
    const second = run();
    assert.deepEqual([second.status, second.stdout], [0, '']);
    const after = ['.env', 'secrets/gateway/users', 'secrets/ca/ca.key'].map((name) =>
      readFileSync(path.join(scratch, name), 'utf8'),
    );
    assert.deepEqual(after, before);

    // Renewed by docs/operations.md: the accounts stay, and the host name need not be said again.
    rmSync(secret('gateway/tls.key'));
    const third = spawnSync('sh', [path.join(scratch, 'init.sh')], { encoding: 'utf8' });
    assert.deepEqual([third.status, third.stdout], [0, 'wrote deploy/secrets/gateway\n'], third.stderr);
    const renewed = new X509Certificate(readFileSync(secret('gateway/tls.crt')));
    assert.notEqual(renewed.serialNumber, gateway.serialNumber);
    assert.equal(renewed.checkHost('cerebra.example.org'), 'cerebra.example.org');
    assert.equal(renewed.checkPrivateKey(createPrivateKey(readFileSync(secret('gateway/tls.key')))), true);
    assert.equal(readFileSync(secret('gateway/users'), 'utf8'), before[1]);
  });

  test('an address is told as such in the certificates', { skip: noOpenssl }, (t) => {
    for (const [given, address, url] of [
      ['192.0.2.7', '192.0.2.7', 'https://192.0.2.7:8443/fhir/R4'],
      ['2001:db8::7', '2001:db8::7', 'https://[2001:db8::7]:8443/fhir/R4'],
    ] as const) {
      const scratch = mkdtempSync(path.join(tmpdir(), 'cerebra-init-'));
      t.after(() => rmSync(scratch, { recursive: true }));
      for (const name of ['init.sh', '.env.example']) cpSync(path.join(folder, name), path.join(scratch, name));
      const run = (...args: string[]) =>
        spawnSync('sh', [path.join(scratch, 'init.sh'), ...args], { encoding: 'utf8' });
      const first = run(given);
      assert.equal(first.status, 0, first.stderr);
      assert.equal(readFileSync(path.join(scratch, '.env'), 'utf8').includes(`\nBASE_URL=${url}\n`), true);
      const file = (name: string) => path.join(scratch, 'secrets', name);
      const certificate = (name: string) => new X509Certificate(readFileSync(file(`${name}/tls.crt`)));
      for (const name of ['gateway', 'mosquitto']) {
        assert.equal(certificate(name).checkIP(address), address);
        assert.doesNotMatch(certificate(name).subjectAltName!, new RegExp(`DNS:${address}`));
      }
      rmSync(file('gateway/tls.key'));
      assert.equal(run().status, 0);
      assert.equal(certificate('gateway').checkIP(address), address);
    }
  });
});
