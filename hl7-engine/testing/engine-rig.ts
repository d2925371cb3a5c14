// An engine on a database of its own, with a writer that keeps resources in memory, and the messages that tests send it.
import type { TestContext } from 'node:test';
import { createMetrics, type Db, systemClock } from '#platform';
import { beforeClose, testDatabase, testLog } from '#platform/testing';
import { createHl7Engine, type Hl7Engine, type Hl7EngineConfig } from '../index.ts';
import { createMemoryWriter, type MemoryWriter } from './memory-writer.ts';

export interface Rig {
  db: Db;
  writer: MemoryWriter;
  engine: Hl7Engine;
}

export function build(db: Db, writer: MemoryWriter, config: Hl7EngineConfig = {}): Hl7Engine {
  const engine = createHl7Engine({
    db,
    writer,
    scope: { kind: 'everything' },
    log: testLog(),
    metrics: createMetrics(),
    clock: systemClock,
    config: { port: 0, ...config },
  });
  beforeClose(db, () => engine.stop());
  return engine;
}

export async function rig(t: TestContext, config: Hl7EngineConfig = {}): Promise<Rig> {
  const db = await testDatabase(t);
  const writer = createMemoryWriter(db);
  return { db, writer, engine: build(db, writer, config) };
}

export interface MessageParts {
  id?: string;
  sender?: string;
  patient?: string;
  value?: string;
  order?: string;
}

export function oru({
  id = 'M1',
  sender = 'LAB|NORTH',
  patient = '777',
  value = '5.10',
  order = 'F1',
}: MessageParts = {}): Buffer {
  return Buffer.from(
    [
      `MSH|^~\\&|${sender}|EHR|SOUTH|20260131120000||ORU^R01^ORU_R01|${id}|P|2.5.1`,
      `PID|1||${patient}^^^HOSP&1.2.3&ISO^MR||Test^Anna`,
      `OBR|1||${order}^LAB|24323-8^Panel^LN|||20260131080000||||||||||||||||||F`,
      `OBX|1|NM|2823-3^Potassium^LN||${value}|mmol/L^^UCUM|3.5-5.1|N|||F`,
    ].join('\r'),
  );
}

export function msa(ack: Buffer): string {
  return ack.toString('latin1').split('\r')[1]!.split('|').slice(0, 3).join('|');
}

export interface Row {
  state: string;
  attempts: number;
  deliveries: number;
  error_code: string | null;
  error: string | null;
  control_id_reused: boolean;
  wrote: string[];
  raw: Buffer;
  ack: Buffer;
}

export function rows(db: Db): Promise<Row[]> {
  return db.query<Row>({ text: 'select * from hl7_message order by id' });
}
