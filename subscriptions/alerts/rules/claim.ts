// Whether a payer says no: https://hl7.org/fhir/R4/claimresponse.html, https://hl7.org/fhir/R4/explanationofbenefit.html
import { type Json, type JsonObject, objectsOf, type Resource } from '#fhir-model';
import { measuredOf } from '../quantity.ts';

const reviewAction = 'http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-reviewActionCode';

/** CARIN Blue Button gives the reason in an adjudication of this category; the topic `claim-denied` looks for the same. */
const denials = ['denialreason', 'denied'];

/** https://hl7.org/fhir/R4/valueset-fm-status.html: what is withdrawn, or not ready yet, says neither yes nor no. */
const unsaid = new Set<unknown>(['cancelled', 'draft']);

/**
 * Whether a ClaimResponse or ExplanationOfBenefit says no: it could not be processed, is denied in so many words or by the category of
 * an adjudication, is not certified (X12 306, A3), or pays nothing of what was submitted,
 * https://hl7.org/fhir/R4/valueset-adjudication.html
 */
export function isDenied(resource: Resource): boolean {
  if (unsaid.has(resource.status)) return false;
  if (resource.outcome === 'error' || /denied/i.test(String(resource.disposition ?? ''))) return true;
  const items = itemsOf(resource as JsonObject);
  const adjudications = items.flatMap(({ adjudication }) => objectsOf(adjudication));
  if (has(adjudications, denials) || [...items, ...adjudications].some(isNotCertified)) return true;
  const totals = objectsOf(resource.total);
  // Totals of one kind are no answer for the other: some have what was submitted alone.
  const amountsOf = (code: string) => amountsIn(has(totals, [code]) ? totals : adjudications, code);
  const paid = amountsOf('benefit');
  return sumOf(amountsOf('submitted')) > 0 && paid.length > 0 && sumOf(paid) === 0;
}

/** The claim as a whole, its items, and what those consist of. */
function itemsOf(resource: JsonObject): JsonObject[] {
  const parts = ({ item, addItem, detail, subDetail }: JsonObject): JsonObject[] =>
    [item, addItem, detail, subDetail].flatMap((list) => objectsOf(list)).flatMap((one) => [one, ...parts(one)]);
  return [resource, ...parts(resource)];
}

function isNotCertified(element: JsonObject): boolean {
  const extensions = objectsOf(element.extension).flatMap((one) => [one, ...objectsOf(one.extension)]);
  return extensions.some(
    ({ url, valueCodeableConcept }) =>
      url === reviewAction &&
      objectsOf((valueCodeableConcept as JsonObject | undefined)?.coding).some(({ code }) => code === 'A3'),
  );
}

const isOf = ({ category }: JsonObject, codes: readonly string[]): boolean =>
  objectsOf((category as JsonObject | undefined)?.coding).some(({ code }) => codes.includes(code as string));

const has = (elements: readonly JsonObject[], codes: readonly string[]): boolean =>
  elements.some((element) => isOf(element, codes));

const amountsIn = (elements: readonly JsonObject[], code: string): number[] =>
  elements
    .filter((element) => isOf(element, [code]))
    .map(({ amount }) => measuredOf(amount as Json | undefined)?.value ?? 0);

const sumOf = (amounts: readonly number[]): number => amounts.reduce((sum, amount) => sum + amount, 0);
