// What many senders do to each other on one server: bad messages among good ones, storms of redelivery, forged headers and
// mutations, batches. FAULT_SCALE makes all of it larger by hand.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseMessage } from '#hl7-engine';
import { corpusAbsent, corpusFiles, random } from '#platform/testing';
import { forgedMessages, mutated } from './hl7-abuse.ts';
import { allOf } from './hl7-checks.ts';
import { dialMllp, type Exchange } from './hl7-sender.ts';
import { dataFolder, embeddedDb, type ServerProcess, signal, startProcess } from './server-process.ts';

const connections = 16;
const scale = Number(process.env.FAULT_SCALE ?? 1);

interface Result {
  id: string;
  sender: string;
  patients: string[];
  order: string;
  more?: string[];
}

function result({ id, sender, patients, order, more = [] }: Result): string {
  return [
    `MSH|^~\\&|${sender}|SENDERHOSP|CEREBRA|SENDERHOSP|20260105080000+0000||ORU^R01^ORU_R01|${id}|P|2.5.1`,
    `PID|1||${patients.map((number) => `${number}^^^SENDERHOSP&2.999.8&ISO^MR`).join('~')}||TESTPERSON^${sender}||19700101|F`,
    `OBR|1||${order}^SENDERLAB|24323-8^Panel^LN|||20260105080000+0000|||||||||||||||20260105083000+0000||LAB|F`,
    'OBX|1|NM|2823-3^Potassium^LN||4.1|mmol/L|3.5-5.1|N|||F',
    ...more,
    '',
  ].join('\r');
}

/** `work` on each of 16 connections. */
async function onEach(
  server: ServerProcess,
  work: (line: Exchange, connection: number) => Promise<void>,
): Promise<void> {
  await Promise.all(
    Array.from({ length: connections }, async (_, connection) => {
      const line = await dialMllp(server.mllpPort);
      await work(line, connection).finally(() => line.close());
    }),
  );
}

/** By MSH-3, how many resources of a type its messages made, told by an identifier that begins with it. */
async function numbersOf(server: ServerProcess, type: string, prefix: string): Promise<string[]> {
  const all = (await allOf(server, type)).flatMap(({ identifier = [] }) => identifier.map(({ value }) => value ?? ''));
  return all.filter((value) => value.startsWith(prefix)).toSorted();
}

async function provenancesOf(server: ServerProcess, prefix: string): Promise<string[]> {
  const told = (await allOf(server, 'Provenance')).map(({ entity }) => entity![0]!.what.display!.split(' ')[1] ?? '');
  return told.filter((id) => id.startsWith(prefix)).toSorted();
}

test('one server, many senders', async (t: TestContext) => {
  const dataDir = await dataFolder(t);
  const folder = path.join(path.dirname(dataDir), 'routes');
  await mkdir(folder);
  // What a site's own field makes of a result the store refuses: a text in place of true or false.
  const extensions = [{ segment: 'ZOB', resource: 'Observation', rows: ['1 | method.coding[0].userSelected | ST'] }];
  await writeFile(path.join(folder, 'all.json'), JSON.stringify({ id: 'all', name: 'All', mapping: { extensions } }));
  const server = await startProcess(t, { DATA_DIR: dataDir, HL7_ROUTES_DIR: folder });

  await t.test(
    'what the store refuses takes none of the others with it, and no answer is another message’s',
    async () => {
      const perConnection = 20 * scale;
      const counts = new Map<string, number>();
      const good: string[] = [];
      await onEach(server, async (line, connection) => {
        const patient = (which: number): string => `G${connection}-${which}`;
        for (let number = 0; number < perConnection; number++) {
          const id = `GR-${connection}-${number}`;
          const said = { id, sender: 'GROUP', order: `GO-${connection}-${number}` };
          // Two patients by turns; every fifth message is bad: no date, or numbers of both.
          const kind = number % 10 === 4 ? 'invalid' : number % 10 === 9 ? 'both' : 'good';
          const patients = kind === 'both' ? [patient(0), patient(1)] : [patient(number % 2)];
          const more = kind === 'invalid' ? ['ZOB|x'] : [];
          const [{ code, text }] = (await line.send(result({ ...said, patients, more }), id)) as [
            { code: string; text: string },
          ];
          if (kind === 'good') good.push(id);
          if (kind === 'invalid') assert.match(text, /Refused by the store: .*userSelected/);
          if (kind === 'both') assert.match(text, /\^\^\^?205\^|205\^Duplicate key identifier/);
          counts.set(`${kind} ${code}`, (counts.get(`${kind} ${code}`) ?? 0) + 1);
        }
      });
      const all = connections * perConnection;
      assert.deepEqual(Object.fromEntries([...counts].toSorted()), {
        'both AE': all / 10,
        'good AA': (all * 8) / 10,
        'invalid AE': all / 10,
      });
      assert.deepEqual(await provenancesOf(server, 'GR-'), good.toSorted());
      assert.deepEqual(
        await numbersOf(server, 'DiagnosticReport', 'GO-'),
        good.map((id) => id.replace('GR', 'GO')).toSorted(),
      );
      assert.equal((await numbersOf(server, 'Patient', 'G')).length, 2 * connections);
    },
  );

  await t.test('the same messages from all connections, again and again: one effect each, the same bytes', async () => {
    const messages = Array.from({ length: 100 }, (_, number) => {
      const bad = number % 10 === 0 ? ['ZOB|x'] : [];
      const said = {
        id: `ST-${number}`,
        sender: 'STORM',
        patients: [`S-${number % 7}`],
        order: `SO-${number}`,
        more: bad,
      };
      return { ...said, text: result(said) };
    });
    const answers = new Map<string, Set<string>>();
    await onEach(server, async (line, connection) => {
      const next = random(connection + 1);
      for (let time = 0; time < scale; time++) {
        // Each in an order of its own.
        const shuffled = messages.map((message) => ({ message, at: next(1_000_000) })).toSorted((a, b) => a.at - b.at);
        for (const { message } of shuffled) {
          const [answer] = await line.send(message.text, message.id);
          answers.set(message.id, (answers.get(message.id) ?? new Set()).add(answer!.text));
        }
      }
    });
    assert.deepEqual(
      [...answers].filter(([, texts]) => texts.size > 1).map(([id, texts]) => [id, ...texts]),
      [],
    );
    const good = messages.filter(({ more }) => more.length === 0);
    assert.deepEqual(await provenancesOf(server, 'ST-'), good.map(({ id }) => id).toSorted());
    assert.deepEqual(await numbersOf(server, 'DiagnosticReport', 'SO-'), good.map(({ order }) => order).toSorted());
    const db = await embeddedDb(dataDir);
    const text = `select count(*)::int as messages, sum(deliveries)::int as deliveries from hl7_message where control_id like 'ST-%'`;
    const counted = await db.query({ text }).finally(() => db.close());
    assert.deepEqual(counted, [{ messages: 100, deliveries: connections * scale * 100 }]);
  });

  /** Sends what may be anything, then a good message: the answers before its own are those to the first. */
  const checkAnswered = async (line: Exchange, content: Buffer, number: number): Promise<void> => {
    const id = `OK-${number}`;
    line.write(content);
    const good = { id, sender: 'ABUSE', patients: ['ABUSE-1'], order: `AO-${number % 10}` };
    const frames = await line.until(result(good), (text) => text.includes(`\rMSA|AA|${id}\r`));
    const answers = frames.slice(0, -1);
    for (const answer of answers) assert.match(answer, /(?:MSH|BHS|FHS)[\s\S]*(?:[\r\n]|\0)M\0?S\0?A/, answer);
    assert.ok(
      answerCounts(content).includes(answers.length),
      `${answers.length} answers to ${content.toString('latin1', 0, 300)}`,
    );
  };

  await t.test('forged headers, and every prefix of a message: one answer each, journalled', async () => {
    const line = await dialMllp(server.mllpPort);
    const whole = Buffer.from(result({ id: 'PRE', sender: 'ABUSE', patients: ['ABUSE-2'], order: 'PRE' }));
    const prefixes = Array.from({ length: whole.length }, (_, length) => whole.subarray(0, length + 1));
    const contents = [...forgedMessages(), ...prefixes.filter((_, index) => scale > 1 || index % 8 === 7)];
    for (const [number, content] of contents.entries()) await checkAnswered(line, content, number);
    line.close();
    await checkJournalled(dataDir, contents);
  });

  await t.test(
    'mutated messages of the corpus: one answer each, journalled',
    { skip: corpusAbsent('hl7v2') },
    async () => {
      const next = random(11);
      const corpus = corpusFiles('hl7v2', /\.(hl7|txt)$/).filter(({ raw }) => raw.length < 20_000);
      const contents = Array.from({ length: 150 * scale }, () => mutated(corpus[next(corpus.length)]!.raw, next));
      const lines = await Promise.all(Array.from({ length: 4 }, () => dialMllp(server.mllpPort)));
      await Promise.all(
        lines.map(async (line, part) => {
          for (let at = part; at < contents.length; at += lines.length)
            await checkAnswered(line, contents[at]!, 10_000 + at);
          line.close();
        }),
      );
      await checkJournalled(dataDir, contents);
    },
  );

  await t.test('a batch with bad messages inside; again: effects once', async () => {
    const count = 100 * scale;
    const messages = Array.from({ length: count }, (_, number) => {
      const said = { id: `BA-${number}`, sender: 'BATCH', patients: [`B-${number % 40}`], order: `BO-${number}` };
      if (number % 25 === 7) return 'MSH|^~\\&|BATCH|||||||\rPID|||\r';
      return result({ ...said, more: number % 25 === 3 ? ['ZOB|x'] : [] });
    });
    const batch = `BHS|^~\\&|BATCH|SENDERHOSP\r${messages.join('')}BTS|${count}\r`;
    const line = await dialMllp(server.mllpPort);
    for (const time of ['first', 'second']) {
      const codes = (await line.frame(batch)).split('\r').filter((one) => one.startsWith('MSA|'));
      const expected = messages.map((_, number) =>
        number % 25 === 7 ? 'MSA|AR|' : number % 25 === 3 ? `MSA|AE|BA-${number}` : `MSA|AA|BA-${number}`,
      );
      assert.deepEqual(
        codes.map((code) => code.split('|').slice(0, 3).join('|')),
        expected,
        time,
      );
    }
    // Cut in the middle of a message: what is left of it is a message too.
    const cut = batch.indexOf('OBX|', batch.indexOf(`|BA-${count / 2}|`)) + 20;
    const answer = await line.frame(batch.slice(0, cut));
    assert.match(answer, /BTS\|\d+\|BTS is missing: batch 1\r$/);
    line.close();
    const good = messages.flatMap((text, number) => (/\|BA-/.test(text) && !text.includes('ZOB') ? [number] : []));
    assert.deepEqual([...new Set(await provenancesOf(server, 'BA-'))], good.map((number) => `BA-${number}`).toSorted());
    assert.deepEqual(
      await numbersOf(server, 'DiagnosticReport', 'BO-'),
      good.map((number) => `BO-${number}`).toSorted(),
    );
  });

  const faults = server.output().match(/^\{"level":"error".*$/gm) ?? [];
  assert.deepEqual(faults, [], 'nothing of this is the server’s fault');
  assert.deepEqual(await signal(server, 'SIGTERM'), { code: 0, signal: null });
});

const isBatch = (content: Buffer): boolean =>
  /(?:^|[\r\n\0])\s*(?:M\0?S\0?H|[FB]\0?[HT]\0?S)[\s\S]*[\r\n\0](?:M\0?S\0?H|[FB]\0?[HT]\0?S)|^\s*[FB][HT]S/.test(
    content.toString('latin1'),
  );

/** How many answers the content may get: one, where it does not say that it wants another number. */
function answerCounts(content: Buffer): number[] {
  if (isBatch(content)) return [0, 1];
  try {
    const message = parseMessage(content);
    const asks = [15, 16].some((field) => message.get(`MSH-${field}`) !== undefined);
    if (asks || ['ACK', 'MCF'].includes(message.get('MSH-9.1') ?? '')) return [0, 1, 2];
  } catch {
    // No message: an answer all the same.
  }
  return [1];
}

async function checkJournalled(dataDir: string, contents: Buffer[]): Promise<void> {
  const db = await embeddedDb(dataDir);
  const hashes = contents
    .filter((content) => !isBatch(content))
    .map((content) => createHash('sha256').update(content).digest());
  const text =
    'select h from unnest($1::bytea[]) h where not exists (select from hl7_message m where m.content_hash = h)';
  const rows = await db.query<{ h: Buffer }>({ text }, [hashes]).finally(() => db.close());
  const missing = contents.filter((content) =>
    rows.some(({ h }) => h.equals(createHash('sha256').update(content).digest())),
  );
  assert.deepEqual(
    missing.map((content) => content.toString('latin1', 0, 300)),
    [],
  );
}
