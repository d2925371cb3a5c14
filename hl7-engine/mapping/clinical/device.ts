// OBX-18 and PRT-10 to Device: https://hl7.org/fhir/uv/v2mappings/ (EI[Identifier-Extension], PRT[Device])
import type { JsonObject } from '#fhir-model';
import { emptyPart, type Part, type Segment } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { eiIdentifier, identifierCriterion } from '../identifiers.ts';

/** The first device of the result; OBX-18 before PRT-10. */
export function deviceReference(
  mapping: Mapping,
  obx: Segment,
  participants: Segment[] | undefined,
): JsonObject | undefined {
  const equipment = obx.field(18);
  if (equipment.raw !== '') return deviceOf(mapping, equipment, undefined);
  const prt = participants?.find((participant) => participant.field(10).raw !== '');
  return prt === undefined ? undefined : deviceOf(mapping, prt.field(10), prt);
}

/** Found by its number, or created. EI-2 is a namespace for some and the device's name for others: it is shown as both. */
function deviceOf(mapping: Mapping, field: Part, prt: Segment | undefined): JsonObject | undefined {
  const ei = field.repetition(1);
  const identifier = eiIdentifier(mapping, ei, 'device');
  if (identifier === undefined) return undefined;
  const display = [ei.component(2).text, ei.component(1).text].filter((word) => word !== undefined).join(' ');
  if (field.raw.includes(mapping.message.delimiters.repetition || '\r')) {
    mapping.warnings.add('OBX-18: R4 has a place for one device of a result only');
  }
  const ifNoneExist = identifierCriterion(identifier);
  const reference = mapping.once(`Device?${ifNoneExist}`, () =>
    mapping.add({
      method: 'POST',
      url: 'Device',
      ifNoneExist,
      resource: {
        resourceType: 'Device',
        identifier: [identifier],
        deviceName: [{ name: display, type: 'other' }],
        lotNumber: (prt?.field(19) ?? emptyPart).text,
        serialNumber: (prt?.field(20) ?? emptyPart).text,
        udiCarrier: udi(prt),
      },
    }),
  );
  return { reference, display };
}

/** PRT-16, the unique device identifier. */
function udi(prt: Segment | undefined): JsonObject[] | undefined {
  const deviceIdentifier = prt?.field(16).component(1).text;
  return deviceIdentifier === undefined ? undefined : [{ deviceIdentifier }];
}
