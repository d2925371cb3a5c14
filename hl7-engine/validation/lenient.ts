// What makes the mapping of a message unsafe: it could reach the wrong patient, or a result whose meaning is not told.
import type { Hl7Message } from '../message/message.ts';
import type { Finding } from './finding.ts';

/** Whom the message is about. */
const persons = new Set(['PID', 'MRG']);

/** Segments that say what others are about. */
const carriers = new Set('OBR RXA RXE RXD'.split(' '));

/** Fields without which a segment says nothing that could be used. */
const subjects = new Set('PID-3 OBX-3 RXA-5'.split(' '));

/** The findings of a route that asks for lenient validation: what is unsafe stays an error, the rest become warnings. */
export function lenient(findings: readonly Finding[], message: Hl7Message): Finding[] {
  return findings.map((finding) =>
    finding.severity !== 'error' || isUnsafe(finding, message) ? finding : { ...finding, severity: 'warning' },
  );
}

function isUnsafe({ rule, condition, location, isOrphan }: Finding, message: Hl7Message): boolean {
  const { segment, sequence, field, component } = location;
  // An OBR without its ORC still says what is ordered.
  if (isOrphan === true) return segment !== 'OBR';
  if (field === undefined) return persons.has(segment) || carriers.has(segment);
  if (rule !== 'usage' || condition !== '101' || component !== undefined) return false;
  return subjects.has(`${segment}-${field}`) && !(segment === 'PID' && hasOtherNumber(sequence ?? 1, message));
}

/** PID-2 and PID-4 had the patient's numbers before there was a list. */
function hasOtherNumber(sequence: number, message: Hl7Message): boolean {
  return [2, 4].some((field) => message.get(`PID[${sequence}]-${field}`) !== undefined);
}
