// The data type maps by the names that mapping tables call them: https://hl7.org/fhir/uv/v2mappings/datatype_maps.html
//
//   ST TX ID date dateTime instant time boolean decimal integer positiveInt unsignedInt ST.uri ST.concept ST.note
//   CWE [Map] · CWE.Coding · CWE.code · CWE.text · CWE.note · CWE.uri · CWE.Quantity · CWE.Duration · CWE.Identifier
//   code Map · coding Map · concept Map                       through a concept map (codes/concept-maps.ts)
//   CX [kind [type]] · EI [kind [type]] · EI.Coding · EIP.placer [kind [type]] · EIP.filler [kind [type]] · DLN · PLN
//   HD.uri · HD.Identifier · HD.ref Organization|Device|Location · XON.ref · XON.text
//   XPN · XPN.text · XCN.name · XCN.text · XAD · XTN [home|work|mobile|temp|old]
//   DR · DR.start · DR.end · CQ · CQ.decimal · CQ.unsignedInt · CQ.code · NM.Quantity [unit] · NR
//   ref Practitioner (XCN) · ref Organization (XON) · ref Location (PL)
import { codedTypes } from './coded.ts';
import { conceptTypes } from './concept.ts';
import { identifierTypes } from './identifier.ts';
import { personTypes } from './person.ts';
import { quantityTypes } from './quantity.ts';
import { referenceTypes } from './reference.ts';
import { simpleTypes } from './simple.ts';
import type { DataType } from './type.ts';

export const dataTypes: Readonly<Record<string, DataType>> = {
  ...simpleTypes,
  ...codedTypes,
  ...conceptTypes,
  ...identifierTypes,
  ...personTypes,
  ...quantityTypes,
  ...referenceTypes,
};

export function dataType(name: string): DataType | undefined {
  return Object.hasOwn(dataTypes, name) ? dataTypes[name] : undefined;
}
