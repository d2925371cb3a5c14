// CQ, NM, NR, SN and DR: https://hl7.org/fhir/uv/v2mappings/ (CQ[Quantity], NM[Quantity], NR[Range], SN[Quantity], DR[Period])
import type { JsonObject } from '#fhir-model';
import { type Part, subcomponentsAsComponents } from '../../message/message.ts';
import { systems } from '../codes/systems.ts';
import { drPeriod } from '../datatypes.ts';
import { dateTime } from '../datetime.ts';
import { decimal } from '../decimal.ts';
import { unitOf } from '../units.ts';
import { cqQuantity } from './cq.ts';
import { composite, type DataType } from './type.ts';

function range(part: Part): JsonObject | undefined {
  const [low, high] = [1, 2].map((number) => decimal(part.component(number).text ?? ''));
  if (low === undefined && high === undefined) return undefined;
  return {
    low: low === undefined ? undefined : { value: low },
    high: high === undefined ? undefined : { value: high },
  };
}

/** A number of a UCUM unit that the field has by definition: `NM.Quantity d`. */
const ofUnit: DataType = {
  guide: ['NM[Quantity]', 'NM[Quantity-LengthOfStay]'],
  yields: 'Quantity',
  compile([unit, ...more]) {
    if (more.length > 0) throw new SyntaxError(`one UCUM unit, but "${more.join(' ')}" beside it`);
    const measured = unit === undefined ? {} : { unit, system: systems.ucum, code: unit };
    return ({ text }) => {
      const value = decimal(text ?? '');
      return value === undefined ? undefined : { value, ...measured };
    };
  },
};

export const quantityTypes = {
  CQ: composite('Quantity', ['CQ[Quantity]'], (part, { mapping }) => cqQuantity(mapping, part)),
  'CQ.decimal': composite('decimal', ['CQ[decimal]'], (part) => decimal(part.component(1).text ?? '')),
  'CQ.unsignedInt': composite('unsignedInt', ['CQ[unsignedInt]'], (part) => {
    const value = Number(part.component(1).text ?? 'none');
    return Number.isInteger(value) && value >= 0 && value <= 2_147_483_647 ? value : undefined;
  }),
  'CQ.code': composite(
    'code',
    ['CQ[code]'],
    (part, { mapping }) => unitOf(subcomponentsAsComponents(part.component(2)), mapping.facility).code,
  ),
  'NM.Quantity': ofUnit,
  NR: composite('Range', ['NR[Range]'], range),
  DR: composite('Period', ['DR[Period]'], (part, { mapping }) => drPeriod(mapping, part)),
  'DR.start': composite('dateTime', ['DR[dateTime]'], (part, { mapping }) =>
    dateTime(part.component(1).text, mapping.zone),
  ),
  'DR.end': composite('dateTime', [], (part, { mapping }) => dateTime(part.component(2).text, mapping.zone)),
} satisfies Record<string, DataType>;
