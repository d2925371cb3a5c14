// The rules that every server has: https://hl7.org/fhir/R4/plandefinition.html. A PlanDefinition of the same id takes a rule's
// place; one of status retired switches it off.
import type { Resource } from '#fhir-model';
import { analytes } from './critical/table.ts';

const criticalLaboratoryValues: Resource = {
  resourceType: 'PlanDefinition',
  id: 'critical-laboratory-values',
  status: 'active',
  title: 'Critical laboratory values',
  type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/plan-definition-type', code: 'eca-rule' }] },
  extension: [{ url: 'urn:cerebra:alert:kind', valueCode: 'critical-value' }],
  action: [
    {
      title: 'Critical laboratory value',
      priority: 'stat',
      trigger: [
        {
          type: 'data-changed',
          data: [
            {
              type: 'Observation',
              codeFilter: [
                {
                  path: 'code',
                  code: analytes.flatMap(({ codes }) => codes.map((code) => ({ system: 'http://loinc.org', code }))),
                },
              ],
            },
          ],
        },
      ],
    },
  ],
};

export const builtInRules: readonly Resource[] = [criticalLaboratoryValues];
