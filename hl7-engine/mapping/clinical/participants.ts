// PRT of an order, a result or a vaccination, by what the participant did (PRT-4, table 0912 or 0443): the message maps of
// https://hl7.org/fhir/uv/v2mappings/ (OML_O21, ORU_R01, VXU_V04). From v2.7 on PRT stands for ORC-12, OBR-10, OBR-32 and their like.
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { isEnded } from '../administration/roles.ts';
import type { Mapping } from '../context.ts';
import { repeated } from '../datatypes.ts';
import { practitionerReference } from '../practitioner.ts';

/** PRT-5 of the participants with that role, unless PRT-2 takes them away. */
export function participants(mapping: Mapping, segments: readonly Segment[], role: string): JsonObject[] {
  return segments
    .filter((prt) => prt.field(4).component(1).text === role && !isEnded(prt))
    .flatMap((prt) => repeated(prt.field(5), (xcn) => practitionerReference(mapping, xcn)));
}
