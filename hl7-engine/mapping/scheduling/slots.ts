// Blocked and opened time (S23, S24) to Schedule and Slot: HL7 v2.9 chapter 10.4.12 and 10.4.13; https://hl7.org/fhir/R4/slot.html
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { upsertDerived } from '../administration/upsert.ts';
import { noteTexts } from '../clinical/notes.ts';
import type { Mapping } from '../context.ts';
import { codeableConcept } from '../datatypes.ts';
import type { Identifier } from '../identifiers.ts';
import { numberKey } from '../identity.ts';
import type { Group } from '../structure/group.ts';
import { appointmentNotes } from './appointment.ts';
import { participants, resourcesOf } from './participants.ts';
import { appointmentTimes, resourceTimes } from './times.ts';

/** One Slot a resource; what has neither time nor resource blocks nothing. */
export function upsertSlots(mapping: Mapping, root: Group, sch: Segment, numbers: readonly Identifier[]): void {
  const resources = resourcesOf(root);
  const whole = appointmentTimes(
    mapping,
    sch,
    root.get('TQ1'),
    resources.map(({ segment }) => segment),
  );
  const status = mapping.event === 'S23' ? 'busy-unavailable' : 'free';
  for (const resource of resources) {
    const own = resourceTimes(mapping, resource.segment, whole.start);
    const [start, end] = [own.start, own.end ?? whole.end];
    const [participant] = participants(mapping, resource, { start: whole.start, status: undefined });
    if (start === undefined || end === undefined || participant?.actor === undefined) {
      mapping.warnings.add(`${resource.segment.name}: without resource, start and end no time is blocked or opened`);
      continue;
    }
    const key = [mapping.facility, resource.segment.name, resource.segment.field(3).raw];
    const schedule = upsertDerived(
      mapping,
      { resourceType: 'Schedule', active: true, actor: [participant.actor] },
      key,
    );
    const notes = noteTexts(mapping, [...appointmentNotes(mapping, root), ...resource.group.all('NTE')]).map(
      ({ text }) => text,
    );
    const slot: JsonObject = {
      resourceType: 'Slot',
      identifier: [...numbers],
      schedule: { reference: schedule },
      appointmentType: codeableConcept(mapping, sch.field(8)),
      status,
      start,
      end,
      ...(notes.length > 0 ? { comment: notes.join('\n') } : {}),
    };
    upsertDerived(mapping, slot, [...numbers.map(numberKey), ...key]);
  }
}
