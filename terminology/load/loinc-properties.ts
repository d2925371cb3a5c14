// Properties of LOINC's codes: https://hl7.org/fhir/R4/loinc.html#filters, named as LOINC's columns are.
import type { PropertyDefinition } from './format.ts';

export const LOINC = 'http://loinc.org';

/** The six axes: parts, where the release tells them, else texts. */
export const axes = ['COMPONENT', 'PROPERTY', 'TIME_ASPCT', 'SYSTEM', 'SCALE_TYP', 'METHOD_TYP'];

/** Further columns of Loinc.csv that become properties as they stand. */
export const termColumns = [
  ...[
    'CLASS',
    'CLASSTYPE',
    'ORDER_OBS',
    'CHNG_TYPE',
    'VersionLastChanged',
    'VersionFirstReleased',
    'STATUS_REASON',
    'STATUS_TEXT',
  ],
  ...['CHANGE_REASON_PUBLIC', 'FORMULA', 'EXMPL_ANSWERS', 'SURVEY_QUEST_SRC', 'UNITSREQUIRED', 'HL7_FIELD_SUBFIELD_ID'],
  ...['EXAMPLE_UNITS', 'EXAMPLE_UCUM_UNITS', 'COMMON_TEST_RANK', 'COMMON_ORDER_RANK', 'HL7_ATTACHMENT_STRUCTURE'],
  ...['EXTERNAL_COPYRIGHT_LINK', 'PanelType', 'AskAtOrderEntry', 'AssociatedObservations', 'ValidHL7AttachmentRequest'],
];

const define = (code: string, type: string, description: string): PropertyDefinition => ({
  ...{ code, type, description, uri: `http://loinc.org/property/${code}` },
});

export const properties: readonly PropertyDefinition[] = [
  ...axes.map((code) => define(code, 'Coding', `The part that is the term's ${code}`)),
  define('STATUS', 'string', 'ACTIVE, TRIAL, DISCOURAGED or DEPRECATED; the last are inactive'),
  define('copyright', 'string', 'LOINC, or 3rdParty where somebody else has rights in it too'),
  ...termColumns.map((code) => define(code, 'string', `Column ${code} of Loinc.csv`)),
  define('PartTypeName', 'string', 'Of a part: what it may be a part of'),
  define('MAP_TO', 'code', 'Of a deprecated term: what to use instead'),
  define('answer-list', 'code', 'Of a term: its answer list (LL…)'),
  define('answers-for', 'code', 'Of an answer list: the terms that it is for'),
  define('answer', 'code', 'Of an answer list: its answers (LA…)'),
  define('LIST', 'code', 'Of an answer: the answer lists that it is in'),
];
