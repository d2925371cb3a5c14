// A quantity search in other units of its dimension: https://hl7.org/fhir/R4/search.html#quantity
import { approximateRange } from './decimals.ts';
import { UCUM } from './token-code.ts';
import type { SearchValue } from './types.ts';
import { areCommensurable, convertDecimal } from './units.ts';

type QuantityValue = SearchValue & { kind: 'quantity' };

/** Whether the search also means quantities in that UCUM unit, which is another than its own. */
export const meansUnit = ({ system, code }: QuantityValue, other: string): boolean =>
  system === UCUM && code !== undefined && code !== other && areCommensurable(code, other);

/** The same search in another UCUM unit: `5|…|g` in mg is `5000|…|mg`; undefined when it does not mean that unit. */
export function inUnit(wanted: QuantityValue, other: string): QuantityValue | undefined {
  if (!meansUnit(wanted, other)) return undefined;
  const converted = (text: string) => convertDecimal(text, wanted.code as string, other);
  const value = converted(wanted.value);
  const lo = converted(wanted.lo);
  const hi = converted(wanted.hi);
  const wide = approximateRange(wanted.value);
  const around = wide && { lo: converted(wide.lo) ?? wide.lo, hi: converted(wide.hi) ?? wide.hi };
  if (value === undefined || lo === undefined || hi === undefined) return undefined;
  return { ...wanted, value, lo, hi, code: other, ...(around && { around }) };
}
