// The house checks itself: docs/architecture.md, "Rooms".
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { usesServers } from './servers-used.ts';
import { functionsOf, importsOf, loadedImportsOf, readSource, type SourceFile } from './tidy/source.ts';

const root = path.join(import.meta.dirname, '..');
const fileLinesMax = 400;
const functionLinesMax = 70;

/** room -> the rooms it may import. */
const mayImport: Record<string, string[]> = {
  platform: [],
  'fhir-model': ['platform'],
  'fhir-server': ['platform', 'fhir-model'],
  'hl7-engine': ['platform', 'fhir-model'],
  connectors: ['platform', 'fhir-model'],
  subscriptions: ['platform', 'fhir-model'],
  terminology: ['platform', 'fhir-model'],
  deploy: ['platform'],
  bin: ['platform', 'fhir-model', 'fhir-server', 'hl7-engine', 'connectors', 'subscriptions', 'terminology'],
  test: [
    'platform',
    'fhir-model',
    'fhir-server',
    'hl7-engine',
    'connectors',
    'subscriptions',
    'terminology',
    'bin',
    'bench',
  ],
  bench: [
    'platform',
    'fhir-model',
    'fhir-server',
    'hl7-engine',
    'connectors',
    'subscriptions',
    'terminology',
    'bin',
    'test',
  ],
};
/** Not entered through an index.ts: their files are programs and test parts. */
const openRooms = ['bin', 'test', 'bench'];

/** Files and functions that are longer than the rule, each with its reason. */
const longFiles: Record<string, string> = {};
const longFunctions: Record<string, string> = {};

/** Dependencies that no file imports, each with its reason. */
const toolDependencies: Record<string, string> = {
  '@biomejs/biome': 'npm run check',
  '@types/koa': 'types of koa',
  '@types/node': 'types of Node',
  '@types/pg': 'types of pg',
  '@types/ws': 'types of ws',
  node: 'brings Node 24',
  typescript: 'npm run check',
};

interface Manifest {
  imports: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Manifest;
const rooms = Object.keys(mayImport);
const sources = globSync(`{${rooms.join(',')}}/**/*.ts`, { cwd: root, exclude: ['**/node_modules/**', '**/data/**'] })
  .sort()
  .map((file) => readSource(root, file));

/** Tests, what only tests use, and benchmarks. */
const isTest = (file: string) => /\.test\.ts$|\/testing(\/|\.ts$)|^(test|bench)\//.test(file);
const roomOf = (file: string) => file.split('/')[0]!;

/** The project file that a specifier names, undefined for packages and Node's own modules. */
function resolve(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('#')) return manifest.imports[specifier]?.replace(/^\.\//, '') ?? `unknown ${specifier}`;
  if (!specifier.startsWith('.') || specifier.endsWith('.json')) return undefined;
  return path.posix.join(path.posix.dirname(from), specifier);
}

interface Edge {
  from: string;
  specifier: string;
  to: string;
}

const edgesOf = (specifiers: (text: string) => string[]): Edge[] =>
  sources.flatMap(({ file, text }) =>
    specifiers(text).flatMap((specifier) => {
      const to = resolve(file, specifier);
      return to === undefined ? [] : [{ from: file, specifier, to }];
    }),
  );

const edges = edgesOf(importsOf);
const show = ({ from, specifier }: Edge) => `${from} imports ${specifier}`;

describe('rooms', () => {
  it('import only those that the table allows', () => {
    const wrong = edges.filter(
      ({ from, to }) => roomOf(from) !== roomOf(to) && !mayImport[roomOf(from)]!.includes(roomOf(to)),
    );
    assert.deepEqual(wrong.map(show), []);
  });

  it('are entered by their index.ts only', () => {
    const doors = new Set(Object.values(manifest.imports).map((file) => file.replace(/^\.\//, '')));
    const wrong = edges.filter(
      ({ from, to }) => roomOf(from) !== roomOf(to) && !openRooms.includes(roomOf(to)) && !doors.has(to),
    );
    assert.deepEqual(wrong.map(show), []);
  });

  it('don’t go through their own index.ts', () => {
    const isIndex = (file: string) => Object.values(manifest.imports).includes(`./${file}`);
    const wrong = edges.filter(
      ({ from, to }) =>
        roomOf(from) === roomOf(to) &&
        isIndex(to) &&
        path.posix.dirname(from).startsWith(path.posix.dirname(to)) &&
        !isTest(from),
    );
    assert.deepEqual(wrong.map(show), []);
  });

  it('import nothing in a circle', () => {
    assert.deepEqual(cycles(edgesOf(loadedImportsOf)), []);
  });

  it('keep the testing kit to tests', () => {
    const wrong = edges.filter(({ from, specifier }) => specifier === '#platform/testing' && !isTest(from));
    assert.deepEqual(wrong.map(show), []);
  });
});

/** Each circle once, as `a → b → a`. */
function cycles(all: Edge[]): string[] {
  const next = Map.groupBy(all, ({ from }) => from);
  const found = new Set<string>();
  const done = new Set<string>();
  const visit = (file: string, way: string[]) => {
    const start = way.indexOf(file);
    if (start >= 0) found.add([...way.slice(start), file].join(' → '));
    if (start >= 0 || done.has(file)) return;
    for (const { to } of next.get(file) ?? []) visit(to, [...way, file]);
    done.add(file);
  };
  for (const { file } of sources) visit(file, []);
  return [...found];
}

describe('files', () => {
  it(`have at most ${fileLinesMax} lines`, () => {
    const long = sources.filter(({ file, lines }) => lines > fileLinesMax && !(file in longFiles));
    assert.deepEqual(
      long.map(({ file, lines }) => `${file}: ${lines} lines`),
      [],
    );
  });

  it(`have functions of at most ${functionLinesMax} lines`, () => {
    const long = sources.filter(({ file }) => !file.endsWith('.test.ts')).flatMap(longFunctionsOf);
    assert.deepEqual(long, []);
  });

  it('lie in folders named for what they do', () => {
    const drawer = /(^|\/)(helpers?|utils?|common|misc|shared)(\/|\.ts$)/;
    assert.deepEqual(
      sources.map(({ file }) => file).filter((file) => drawer.test(file)),
      [],
    );
  });

  it('have no work left to do and no test left out', () => {
    const left = new RegExp(
      `\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b|\\b(it|test|describe)\\.(only|skip|todo)\\b|\\bskip: true\\b`,
    );
    const sql = globSync('migrations/*.sql', { cwd: root }).map((file) => readSource(root, file));
    const wrong = [...sources, ...sql].filter(({ file, text }) => file !== 'test/tidy.test.ts' && left.test(text));
    assert.deepEqual(
      wrong.map(({ file }) => file),
      [],
    );
  });
});

function longFunctionsOf({ file, text }: SourceFile): string[] {
  return functionsOf(text)
    .filter(({ lines, line }) => lines > functionLinesMax && !(`${file}:${line}` in longFunctions))
    .map(({ lines, line }) => `${file}:${line}: ${lines} lines`);
}

describe('package.json', () => {
  const dependencies = { ...manifest.dependencies, ...manifest.devDependencies };

  it('names exact versions', () => {
    const loose = Object.entries(dependencies).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version));
    assert.deepEqual(loose, []);
  });

  it('names what is used, and nothing else', () => {
    const text = sources.map((source) => source.text).join('\n');
    const unused = Object.keys(dependencies).filter(
      (name) => !(name in toolDependencies) && !new RegExp(`'${name}(/[^']*)?'`).test(text),
    );
    assert.deepEqual(unused, []);
    const used = new Set(
      sources
        // The case of importsOf below has imports of packages that are none.
        .filter(({ file }) => file !== 'test/tidy.test.ts')
        .flatMap((source) => importsOf(source.text))
        .filter((name) => !/^(#|\.|\/|node:)/.test(name))
        .map(packageOf),
    );
    assert.deepEqual(
      [...used].filter((name) => !(name in dependencies)),
      [],
    );
  });
});

const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

describe('migrations', () => {
  it('are numbered without gaps', () => {
    const numbers = globSync('*.sql', { cwd: path.join(root, 'migrations') })
      .map((file) => Number(/^(\d{4})_[a-z0-9_]+\.sql$/.exec(file)?.[1]))
      .sort((a, b) => a - b);
    assert.deepEqual(
      numbers,
      numbers.map((_number, index) => index + 1),
    );
  });
});

describe('the tidy test itself', () => {
  it('reads which tests use servers', () => {
    const uses = ['platform/queue.test.ts', 'test/fhir-search.test.ts', 'test/fault/redis-emptied.test.ts'];
    const without = ['fhir-model/json.test.ts', 'hl7-engine/message/escape.test.ts', 'test/fault/kill.test.ts'];
    const told = [...uses, ...without].map((file) => usesServers(root, file));
    assert.deepEqual(told, [true, true, true, false, false, false]);
  });

  it('reads imports', () => {
    const text = `import a from 'a';\nimport {\n  b,\n} from './b.ts';\nimport type { C } from '#c';\nexport * from "no";\nimport 'd';\nconst e = await import('e');\n// import x from 'x'`;
    assert.deepEqual(importsOf(text), ['a', './b.ts', '#c', 'd', 'e']);
    assert.deepEqual(loadedImportsOf(text), ['a', './b.ts', 'd']);
  });

  it('measures functions', () => {
    const text = [
      'function a(b: { c: number }): { d: string } {',
      "  if (b) { return { d: '}' } }",
      '  return { d: `{$' + '{b}` };',
      '}',
      'const e = (f: RegExp = /[{/]/) => {',
      '};',
      'class G { h(): void {',
      '  for (;;) {',
      '  }',
      '} }',
    ].join('\n');
    assert.deepEqual(functionsOf(text), [
      { line: 1, lines: 4 },
      { line: 5, lines: 2 },
      { line: 7, lines: 4 },
    ]);
    const factory = [
      'function a() {',
      '  const b = 1;',
      '  return { c: () => {',
      '    d();',
      '    d();',
      '  } };',
      '}',
    ];
    assert.deepEqual(functionsOf(factory.join('\n')), [
      { line: 3, lines: 4 },
      { line: 1, lines: 4 },
    ]);
  });
});
