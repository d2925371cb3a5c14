// Units: OBX-6 to UCUM (https://ucum.org/ucum), https://hl7.org/fhir/R4/datatypes.html#Quantity
import type { JsonObject } from '#fhir-model';
import type { Part } from '../message/message.ts';
import { systems } from './codes/systems.ts';
import { codingSystem } from './codesystems.ts';

// Written without a coding system these are what UCUM means by them.
const ucumCodes = new Set(
  `% /min /uL /mL /L 10*3/uL 10*6/uL 10*9/L 10*12/L 10*6/L mg/dL g/dL g/L mg/L ug/L ng/L ng/mL ug/mL ug/dL pg/mL pg/dL ng/dL
  pg mg g kg ug ng mmol/L umol/L nmol/L pmol/L mmol mol/L mmol/mol meq/L eq/L U/L U/mL kU/L mU/L mU/mL [IU]/L [IU]/mL
  m[IU]/L m[IU]/mL u[IU]/mL k[IU]/L mm[Hg] kPa Cel [degF] cm mm km L dL mL uL fL s min h d wk mo a ms Hz
  mL/min mL/min/{1.73_m2} L/min mL/h kg/m2 m2 mg/g ug/g mg/mmol mm/h osm/kg mosm/kg mosm/L [in_i] [in_us] [lb_av] [oz_av]
  {Ct} {INR} {score} {ratio} [pH] mg/kg ug/kg/min kcal dB mV cm[H2O] g/mol mol/kg 1`.split(/\s+/),
);

// What laboratories and monitors send.
const synonyms: Readonly<Record<string, string>> = {
  'mmol/l': 'mmol/L',
  mmoll: 'mmol/L',
  'umol/l': 'umol/L',
  umoll: 'umol/L',
  'µmol/l': 'umol/L',
  'μmol/l': 'umol/L',
  'nmol/l': 'nmol/L',
  'pmol/l': 'pmol/L',
  'mg/dl': 'mg/dL',
  mgdl: 'mg/dL',
  'g/dl': 'g/dL',
  gdl: 'g/dL',
  'g/l': 'g/L',
  'mg/l': 'mg/L',
  'ug/l': 'ug/L',
  'µg/l': 'ug/L',
  'mcg/l': 'ug/L',
  'ug/dl': 'ug/dL',
  'mcg/dl': 'ug/dL',
  'µg/dl': 'ug/dL',
  'ug/ml': 'ug/mL',
  'mcg/ml': 'ug/mL',
  'ng/ml': 'ng/mL',
  'ng/dl': 'ng/dL',
  'pg/ml': 'pg/mL',
  'meq/l': 'meq/L',
  meql: 'meq/L',
  'u/l': 'U/L',
  'units/l': 'U/L',
  'iu/l': '[IU]/L',
  'iu/ml': '[IU]/mL',
  'miu/l': 'm[IU]/L',
  'miu/ml': 'm[IU]/mL',
  'uiu/ml': 'u[IU]/mL',
  'µiu/ml': 'u[IU]/mL',
  mmhg: 'mm[Hg]',
  'mm(hg)': 'mm[Hg]',
  torr: 'mm[Hg]',
  cmh2o: 'cm[H2O]',
  bpm: '/min',
  'beats/min': '/min',
  'breaths/min': '/min',
  'br/min': '/min',
  '#/min': '/min',
  '1/min': '/min',
  rpm: '/min',
  percent: '%',
  pct: '%',
  '10^3/ul': '10*3/uL',
  'x10^3/ul': '10*3/uL',
  '10*3/ul': '10*3/uL',
  'k/ul': '10*3/uL',
  'k/mm3': '10*3/uL',
  'thou/ul': '10*3/uL',
  '10^6/ul': '10*6/uL',
  'x10^6/ul': '10*6/uL',
  'm/ul': '10*6/uL',
  'mil/ul': '10*6/uL',
  '10^9/l': '10*9/L',
  'x10^9/l': '10*9/L',
  '10*9/l': '10*9/L',
  '10^12/l': '10*12/L',
  'x10^12/l': '10*12/L',
  '10*12/l': '10*12/L',
  fl: 'fL',
  celsius: 'Cel',
  degc: 'Cel',
  '°c': 'Cel',
  degf: '[degF]',
  '°f': '[degF]',
  fahrenheit: '[degF]',
  'ml/min': 'mL/min',
  mlmin: 'mL/min',
  'ml/min/1.73m2': 'mL/min/{1.73_m2}',
  'ml/min/1.73m^2': 'mL/min/{1.73_m2}',
  'ml/min/1.73': 'mL/min/{1.73_m2}',
  'l/min': 'L/min',
  'ml/hr': 'mL/h',
  'mm/hr': 'mm/h',
  'kg/m2': 'kg/m2',
  'kg/m^2': 'kg/m2',
  lb: '[lb_av]',
  lbs: '[lb_av]',
  pounds: '[lb_av]',
  in: '[in_i]',
  inches: '[in_i]',
  sec: 's',
  seconds: 's',
  minutes: 'min',
  hours: 'h',
  hr: 'h',
  hrs: 'h',
  days: 'd',
  weeks: 'wk',
  months: 'mo',
  years: 'a',
  yrs: 'a',
};

/** What another letter's case makes something else that is measured: millimolar, millisiemens, megavolts, millions of units. */
const byCase = new Set(['mm', 'ms', 'mV', 'mU/L', 'mU/mL']);

/**
 * By what they are without spaces and in lower case: senders that write in capitals alone, `ML` and `KG`, mean these, and so does UCUM's
 * own form of one case. One letter says too little.
 */
const known: ReadonlyMap<string, string> = new Map([
  ...[...ucumCodes]
    .filter((code) => code.length > 1 && !byCase.has(code))
    .map((code) => [code.toLowerCase(), code] as const),
  ...Object.entries(synonyms),
]);

/** `unit` is the sender's own wording; `system` and `code` are there when the unit is known. */
export interface Unit extends JsonObject {
  unit?: string;
  system?: string;
  code?: string;
}

/** What stands behind the ^ of `10^9/L` and `kg/m^2` where the sender has not escaped it, so that it parts the components. */
const exponent = /^\d{1,2}(?:\/\S+)?$/;

/** OBX-6 (CWE): UCUM, common units by their synonyms, also where they are called UCUM, else the sender's code, or only its text. */
export function unitOf(part: Part, facility: string): Unit {
  const sent = part.component(1).text;
  const words = part.component(2).text;
  const isParted = sent !== undefined && words !== undefined && exponent.test(words) && part.component(3).isEmpty;
  const code = isParted ? `${sent}^${words}` : sent;
  const unit = isParted ? code : (words ?? part.component(9).text ?? code);
  if (code === undefined) return unit === undefined ? {} : { unit };
  const system = codingSystem(part.component(3).text, part.component(14).text, facility);
  const ucum = ucumOf(code) ?? (system === systems.ucum && !/\s/.test(code) ? code : undefined);
  if (ucum !== undefined) return { unit: unit!, system: systems.ucum, code: ucum };
  return system === undefined || /\s/.test(code) ? { unit: unit! } : { unit: unit!, system, code };
}

/** Giga per litre where cells are counted, grams per litre where all is in capitals: it says neither. */
const ambiguous = /^\s*G\s*\/\s*L\s*$/i;

function ucumOf(text: string): string | undefined {
  if (ucumCodes.has(text)) return text;
  if (text.includes('G') && ambiguous.test(text)) return undefined;
  return known.get(text.replaceAll(/\s/g, '').toLowerCase());
}
