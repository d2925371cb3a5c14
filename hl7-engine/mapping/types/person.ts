// XPN, XCN, XAD and XTN to HumanName, Address and ContactPoint: https://hl7.org/fhir/uv/v2mappings/ (XPN[HumanName] …)
import { address, contactPoint, displayName, humanName } from '../datatypes.ts';
import { composite, type DataType, oneOf } from './type.ts';

export const personTypes = {
  XPN: composite('HumanName', ['XPN[HumanName]', 'FN[HumanName]'], (part, { mapping }) =>
    humanName(mapping, part, 'XPN'),
  ),
  'XPN.text': composite('string', ['XPN[string]'], (part, { mapping }) => displayName(humanName(mapping, part, 'XPN'))),
  'XCN.name': composite('HumanName', [], (part, { mapping }) => humanName(mapping, part, 'XCN')),
  'XCN.text': composite(
    'string',
    ['XCN[Annotation-Author]'],
    (part, { mapping }) => displayName(humanName(mapping, part, 'XCN')) ?? part.component(1).text,
  ),
  'XON.text': composite('string', ['XON[string]'], (part) => part.component(1).text),
  XAD: composite('Address', ['XAD[Address]', 'SAD[Address]'], (part, { mapping }) => address(mapping, part)),
  XTN: {
    guide: ['XTN[ContactPoint]'],
    yields: 'ContactPoint',
    composite: true,
    clears: ([use]) => (use === undefined ? '' : `[use=${use}]`),
    /** The use where XTN.2 names none. */
    compile(args) {
      const use = oneOf(args, ['home', 'work', 'mobile', 'temp', 'old']);
      return (part, { mapping }) => contactPoint(mapping, part, use);
    },
  },
} satisfies Record<string, DataType>;
