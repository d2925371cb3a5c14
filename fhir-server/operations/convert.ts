// $convert: https://hl7.org/fhir/R4/resource-operation-convert.html
// The resource goes out as it came in; the pipeline reads and writes the formats.
import type { OperationSpec, Resource } from '#fhir-model';
import { one } from './answer.ts';

export const convertOperation = (): OperationSpec => ({
  name: 'convert',
  title: 'Convert from one form to another',
  description: 'Returns the posted resource in the format that Accept or _format asks for',
  url: 'http://hl7.org/fhir/OperationDefinition/Resource-convert',
  type: true,
  system: true,
  typeLevel: false,
  instanceLevel: false,
  affectsState: false,
  parameters: [
    { name: 'input', use: 'in', min: 1, max: '1', type: 'Resource', documentation: 'What is to be converted' },
    { name: 'output', use: 'out', min: 1, max: '1', type: 'Resource' },
  ],
  run: async ({ input }) => ({ resource: one<Resource>(input, 'input')! }),
});
