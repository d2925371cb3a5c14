// Immunization as RXA and RXR: https://hl7.org/fhir/uv/v2mappings/ (RXA[Immunization], RXR[Immunization])
import { isObject, text } from '../building.ts';
import { buildTable } from '../table.ts';
import { cwe } from '../types/coded.ts';

export const rxa = buildTable(
  'RXA',
  `
3  | occurrenceDateTime | DTM
4  | occurrenceDateTime | DTM
5  | vaccineCode | CWE
6  | @dose | 999 where it is not known
9  | @origin | table NIP001, and the notes
10 | performer[function!=OP].actor | XCN
11 | location | custom place
15 | lotNumber | ST
16 | expirationDate | DT
17 | manufacturer | custom maker
18 | statusReason | CWE
19 | reasonCode | CWE
20 | @status | table 0322
21 | @action | A, U or D
22 | recorded | DTM
`,
  {
    // LA2: a place that has no more than a name is the facility in its fourth component.
    place: (building, value) => {
      const location = building.graph.resolve(value);
      const name = text(location?.name) ?? (isObject(value) ? text(value.display) : undefined);
      return name === undefined ? undefined : [undefined, undefined, undefined, name];
    },
    maker: (building, value) => {
      if (!isObject(value)) return undefined;
      const logical = isObject(value.identifier) ? value.identifier : undefined;
      const display = text(value.display) ?? text(building.graph.resolve(value)?.name);
      const code = text(logical?.value);
      if (code === undefined) return display === undefined ? undefined : [undefined, display];
      return cwe(building, { coding: [{ system: logical?.system, code, display }] });
    },
  },
);

export const rxr = buildTable(
  'RXR',
  `
1 | route | CWE RouteOfAdministration
2 | site | CWE BodyParts
`,
);
