// What a hospital sends over one connection: admissions, preliminary, final and corrected results of the same orders, merges.
// All data is made up. One round is about two patients, who are one in the end.
import { type AckModeName, ackModes } from './hl7-sender.ts';

export interface Sending {
  controlId: string;
  /** PID-3.1. */
  patient: string;
  text: string;
}

export const roundMessages = 10;
export const system = 'urn:oid:2.999.7';

export const personA = (connection: number, round: number): string => `HA-${connection}-${round}`;
export const personB = (connection: number, round: number): string => `HB-${connection}-${round}`;
export const filler = (connection: number, round: number, order: string): string =>
  `HF-${connection}-${round}-${order}`;

const second = (number: number): string => new Date(Date.UTC(2026, 0, 5) + number * 1000).toISOString();
const dtm = (number: number): string => `${second(number).slice(0, 19).replaceAll(/[-:T]/g, '')}+0000`;
const cx = (number: string): string => `${number}^^^FAULTHOSP&2.999.7&ISO^MR`;

/** All of one connection, endless. */
export function* sendings(connection: number, mode: AckModeName): Generator<Sending> {
  let number = 0;
  const build = (type: string, patient: string, segments: string[]): Sending => {
    const time = dtm(number);
    const controlId = `K${connection}-${number++}`;
    const head = `MSH|^~\\&|FAULT${connection}|FAULTHOSP|CEREBRA|FAULTHOSP|${time}||${type}|${controlId}|P|2.5.1${ackModes[mode].fields}`;
    const pid = `PID|1||${cx(patient)}||TESTPERSON^${patient.replaceAll('-', '')}||19700101|F`;
    const evn = type.startsWith('ADT') ? [`EVN|${type.slice(4, 7)}|${time}`] : [];
    return { controlId, patient, text: [head, ...evn, pid, ...segments, ''].join('\r') };
  };
  const result = (round: number, patient: string, order: string, status: string, value: string): Sending => {
    const id = filler(connection, round, order);
    return build('ORU^R01^ORU_R01', patient, [
      `OBR|1|P${id}^FAULTHIS|${id}^FAULTLAB|24323-8^Panel^LN|||20260105080000+0000|||||||||4711^DOCTOR^TEST^^^^^^FAULTHOSP||||||20260105083000+0000||LAB|${status}`,
      `OBX|1|NM|2951-2^Sodium^LN||${value}|mmol/L|136-145|N|||${status}`,
      `OBX|2|NM|2823-3^Potassium^LN||4.1|mmol/L|3.5-5.1|N|||${status}`,
    ]);
  };
  for (let round = 0; ; round++) {
    const [a, b] = [personA(connection, round), personB(connection, round)];
    yield build('ADT^A04^ADT_A01', a, [
      `PV1|1|O|AMB^1^1||||4711^DOCTOR^TEST^^^^^^FAULTHOSP||||||||||||V${a}^^^FAULTHOSP`,
    ]);
    yield build('ADT^A04^ADT_A01', b, [
      `PV1|1|O|AMB^1^1||||4711^DOCTOR^TEST^^^^^^FAULTHOSP||||||||||||V${b}^^^FAULTHOSP`,
    ]);
    yield result(round, a, '1', 'P', '140');
    yield result(round, b, '2', 'P', '140');
    yield result(round, a, '1', 'F', '141');
    yield result(round, a, '3', 'F', '140');
    yield result(round, b, '2', 'C', '142');
    yield build('ADT^A40^ADT_A39', b, [`MRG|${cx(a)}`]);
    yield result(round, a, '4', 'F', '140');
    yield build('ADT^A08^ADT_A01', b, [`PV1|1|N`]);
  }
}

/** The first `count` of a connection's. */
export const firstSendings = (connection: number, mode: AckModeName, count: number): Sending[] =>
  sendings(connection, mode).take(count).toArray();
