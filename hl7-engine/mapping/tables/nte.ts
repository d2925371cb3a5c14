// NTE: https://hl7.org/fhir/uv/v2mappings/ (NTE[Observation], NTE[ServiceRequest], NTE[DocumentReference])
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { codeableConcept } from '../datatypes.ts';
import { segmentTable } from '../table/table.ts';

/** The rows tell the documentation what clinical/notes.ts does: lines of one note stand in several segments. */
segmentTable(
  'NTE',
  'Annotation',
  `
1 | -           | a number within the message
2 | @authorString | who speaks (table 0105), where NTE-5 names nobody
3 | @text       | segments and repetitions that follow each other are the lines of one note
4 | @extension  | http://hl7.org/fhir/StructureDefinition/annotationType
5 | @author     | Practitioner, or the name
6 | @time       | dateTime
7 | -           | when the note becomes effective
8 | -           | when the note expires
9 | @text       | a coded comment, where NTE-3 is empty
`,
);

const url = 'http://hl7.org/fhir/StructureDefinition/annotationType';

/** NTE-4 as an extension of the Annotation. */
export function annotationType(mapping: Mapping, nte: Segment): JsonObject | undefined {
  const field = nte.field(4);
  if (field.raw === '') return undefined;
  const valueCodeableConcept = codeableConcept(mapping, field);
  return valueCodeableConcept && { url, valueCodeableConcept };
}
