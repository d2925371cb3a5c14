// Real messages of public projects: read without loss, taken or refused with a reason, mapped to sound resources.
import type { ConformanceResult, ConformanceSuite, ConformanceTools } from '#platform/testing';
import { result } from '#platform/testing';
import type { Mapped } from '../mapping/context.ts';
import { fixedZone } from '../mapping/datetime.ts';
import { mapMessage } from '../mapping/map.ts';
import { checkHeader } from '../message/header.ts';
import { parseMessage } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { type CorpusMessage, corpusMessages, corpusMissing } from './corpus.ts';

/** What messages say that no valid resource can: fault of the resource → why it is the message's. */
const saidSo: readonly [fault: RegExp, why: string][] = [
  [/per-1: /, 'the message has the discharge (PV1-45) before the admission (PV1-44)'],
];

const reasonOf = (fault: string): string | undefined => saidSo.find(([pattern]) => pattern.test(fault))?.[1];

const config = { zone: fixedZone('+00:00'), identifierSystems: {} };

function mapped({ name, raw }: CorpusMessage): Mapped | Refusal {
  try {
    const message = parseMessage(raw);
    checkHeader(message);
    return mapMessage(message, name, config);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

async function* roundTrips(): AsyncGenerator<ConformanceResult> {
  for (const { name, raw } of corpusMessages()) {
    const same = parseMessage(raw).toBuffer().equals(raw);
    yield result(name, same ? undefined : 'does not come back byte for byte');
  }
}

/** Refusals that are the message's fault: what the refusal says → what the message has. */
const refusedRightly: readonly [refusal: RegExp, why: string][] = [
  [/^More than one MSH/, 'two messages in one without the headers of a batch'],
  [/^MSH-9, the message type, is missing/, 'MSH has no type'],
  [/^MSH-1 and MSH-2 do not name different delimiters/, 'MSH-2 names the field separator again'],
  [/^Unsupported message type \(ACK\)$/, 'an acknowledgment of a message that was never sent'],
];

/** Why a message is refused, with its type where that is the reason. */
function refusalOf({ message }: Refusal, type: string): string {
  return message === 'Unsupported message type' ? `${message} (${type})` : message;
}

function typeOf(raw: Buffer): string {
  return parseMessage(raw).get('MSH-9.1') ?? '';
}

async function* outcomes(): AsyncGenerator<ConformanceResult> {
  for (const message of corpusMessages()) {
    try {
      const found = mapped(message);
      const refusal = found instanceof Refusal ? refusalOf(found, typeOf(message.raw)) : undefined;
      const isRight = refusal === undefined || refusedRightly.some(([form]) => form.test(refusal));
      yield result(message.name, isRight ? undefined : `refused: ${refusal}`);
    } catch (error) {
      yield result(message.name, `neither mapped nor refused: ${String(error)}`);
    }
  }
}

async function* resources({ faultsOf }: ConformanceTools): AsyncGenerator<ConformanceResult> {
  for (const message of corpusMessages()) {
    const { name } = message;
    const found = mapped(message);
    if (found instanceof Refusal) {
      yield { name, outcome: 'passed over', why: found.message };
      continue;
    }
    const faults: string[] = [];
    for (const { resource } of found.entries) if (resource) faults.push(...(await faultsOf(resource)));
    const why = reasonOf(faults[0] ?? '');
    if (why !== undefined && faults.every(reasonOf)) yield { name, outcome: 'passed over', why };
    else yield result(name, faults.length > 0 ? faults.slice(0, 3).join('; ').slice(0, 300) : undefined);
  }
}

const absent = () => (corpusMissing === false ? undefined : corpusMissing);

export const suites: ConformanceSuite[] = [
  { name: 'hl7v2/round-trip', title: 'HL7v2 messages come back byte for byte', absent, run: roundTrips },
  { name: 'hl7v2/outcome', title: 'HL7v2 messages are mapped, or refused with a reason', absent, run: outcomes },
  { name: 'hl7v2/resources', title: 'HL7v2 messages become valid resources', absent, run: resources },
];
