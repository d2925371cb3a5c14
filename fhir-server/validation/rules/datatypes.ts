// Data types where R4's invariants leave holes: https://hl7.org/fhir/R4/datatypes.html
import { createHash } from 'node:crypto';
import { decimalText, isAbsolute, isNumber, type JsonObject, UCUM, ucumUnit } from '#fhir-model';
import { isObject } from '../json.ts';
import { shown } from '../report.ts';
import { type Fault, fault } from './fault.ts';
import { shownValue } from './place.ts';

/** `at` yields the path of the value; it is asked only when there is a fault. */
export type DatatypeRule = (value: JsonObject, at: () => string) => Fault | undefined;

const annotatedCharactersMax = 200;

/** https://hl7.org/fhir/R4/datatypes.html#Quantity: the code is a UCUM one where the system says so. */
const quantity: DatatypeRule = ({ system, code }, at) => {
  if (system !== UCUM || typeof code !== 'string' || ucumUnit(code) !== undefined) return undefined;
  // UCUM's annotations have no spaces, but they mean nothing, and published examples have them.
  const tight = code.length > annotatedCharactersMax ? code : code.replace(/ /g, '_');
  const severity =
    /\{[^{}]* [^{}]*\}/.test(code.slice(0, annotatedCharactersMax)) && ucumUnit(tight) !== undefined
      ? 'warning'
      : 'error';
  return fault(severity, 'code-invalid', 'quantity-ucum', `${at()}.code`, `'${shown(code)}' is no unit of UCUM`);
};

/** rng-2 compares low and high as far as their units have something in common. */
const range: DatatypeRule = ({ low, high }, at) => {
  if (!isObject(low) || !isObject(high)) return undefined;
  const [one, other] = [low.code ?? low.unit, high.code ?? high.unit];
  if (one === undefined || other === undefined || one === other || (low.system === UCUM && high.system === UCUM))
    return undefined;
  const message = `low is in '${shownValue(one)}' and high in '${shownValue(other)}'`;
  return fault('warning', 'business-rule', 'range-units', at(), message);
};

const sample = /^(?:E|U|L|[+-]?\d{1,100}(?:\.\d{1,100})?(?:[eE][+-]?\d{1,4})?)$/;

/** https://hl7.org/fhir/R4/datatypes.html#SampledData: decimals or E, U, L, one space between them, dimension by dimension. */
const sampledData: DatatypeRule = ({ data, dimensions, lowerLimit, upperLimit }, at) => {
  if (
    isNumber(lowerLimit) &&
    isNumber(upperLimit) &&
    Number(decimalText(lowerLimit)) > Number(decimalText(upperLimit))
  ) {
    return fault('error', 'invalid', 'sampled-data-limits', at(), 'lowerLimit is above upperLimit');
  }
  if (typeof data !== 'string') return undefined;
  const samples = data.split(' ');
  const wrong = samples.find((one) => !sample.test(one));
  if (wrong !== undefined) {
    return fault(
      'error',
      'value',
      'sampled-data-sample',
      `${at()}.data`,
      `'${shown(wrong)}' is no decimal and not E, U or L`,
    );
  }
  if (typeof dimensions !== 'number' || dimensions < 1 || samples.length % dimensions === 0) return undefined;
  const message = `${samples.length} samples are no whole number of points of ${dimensions} dimensions`;
  return fault('error', 'value', 'sampled-data-dimensions', `${at()}.data`, message);
};

/** https://hl7.org/fhir/R4/datatypes.html#Attachment: size and hash are those of the data "(before base64 encoding)". */
const attachment: DatatypeRule = ({ data, size, hash }, at) => {
  if (typeof data !== 'string' || (size === undefined && hash === undefined)) return undefined;
  const bytes = Buffer.from(data, 'base64');
  if (isNumber(size) && Number(decimalText(size)) !== bytes.length) {
    const message = `size says ${decimalText(size)}, the data are ${bytes.length} bytes`;
    return fault('error', 'structure', 'attachment-size', `${at()}.size`, message);
  }
  if (typeof hash !== 'string' || hash === createHash('sha1').update(bytes).digest('base64')) return undefined;
  return fault('warning', 'value', 'attachment-hash', `${at()}.hash`, 'hash is not the SHA-1 of the data in base64');
};

/** https://hl7.org/fhir/R4/datatypes.html#Identifier: systems are absolute; a value that is a URI is a whole one. */
const identifier: DatatypeRule = ({ system, value }, at) => {
  if (typeof system !== 'string') return undefined;
  if (!isAbsolute(system)) {
    return fault(
      'error',
      'invalid',
      'identifier-system',
      `${at()}.system`,
      `an absolute URI is needed, found '${shown(system)}'`,
    );
  }
  if (system !== 'urn:ietf:rfc:3986' || typeof value !== 'string' || isAbsolute(value)) return undefined;
  const message = `the system says that this is a URI, found '${shown(value)}'`;
  return fault('error', 'invalid', 'identifier-uri', `${at()}.value`, message);
};

/** By the type's name. */
export const datatypeRules: Readonly<Record<string, DatatypeRule>> = {
  Quantity: quantity,
  SimpleQuantity: quantity,
  Age: quantity,
  Count: quantity,
  Distance: quantity,
  Duration: quantity,
  Range: range,
  SampledData: sampledData,
  Attachment: attachment,
  Identifier: identifier,
};
