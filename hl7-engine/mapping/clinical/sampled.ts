// NA and MA to SampledData: https://hl7.org/fhir/uv/v2mappings/ (NA[SampledData]); waveforms: HL7 v2.9 chapter 7.14
import type { JsonObject } from '#fhir-model';
import type { Part, Segment } from '../../message/message.ts';
import { absent, type Mapping } from '../context.ts';
import { decimalText } from '../decimal.ts';
import type { Unit } from '../units.ts';

// A sample that is no number; R4 has E (error), L and U (out of bounds): https://hl7.org/fhir/R4/datatypes.html#SampledData
const missing = 'E';

/** Rows are filled up to the longest: one of 100,000 among 10,000 short ones would become gigabytes. */
const samplesMax = 2_000_000;

/**
 * NA: one repetition is one series; the rows of a matrix are its repetitions. MA: each repetition is one moment, with a value
 * for each channel. `channel` is an OBX of type CD, which tells how often was sampled. Undefined if nothing is a number.
 */
export function sampledData(
  mapping: Mapping,
  obx: Segment,
  unit: Unit,
  channel: Segment | undefined,
): JsonObject | undefined {
  const { component } = mapping.message.delimiters;
  const rows = obx
    .field(5)
    .repetitions()
    .map((row) => numbersOf(row, component));
  const width = Math.max(0, ...rows.map((row) => row.length));
  if (width * rows.length > samplesMax || !rows.some((row) => row.some((value) => value !== missing))) return undefined;
  const period = periodMs(channel);
  return {
    origin: { value: 0, ...unit },
    // R4 asks for it; NA does not have it.
    ...(period === undefined ? { _period: absent } : { period }),
    dimensions: obx.field(2).text === 'NA' && rows.length === 1 ? 1 : width,
    data: rows.flatMap((row) => [...row, ...Array(width - row.length).fill(missing)]).join(' '),
  };
}

function numbersOf(row: Part, delimiter: string): string[] {
  if (row.raw === '') return [];
  const values = delimiter === '' ? [row.raw] : row.raw.split(delimiter);
  return values.map((value) => decimalText(value) ?? missing);
}

/** CD-5, the channel's sampling frequency in Hz, as milliseconds from one sample to the next. */
function periodMs(channel: Segment | undefined): number | undefined {
  const hertz = Number(decimalText(channel?.field(5).component(5).text ?? '') ?? 0);
  return hertz > 0 ? 1000 / hertz : undefined;
}
