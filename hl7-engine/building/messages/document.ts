// DiagnosticReport.presentedForm as OBX of type ED and RP: HL7 v2.9 chapters 2A.3.24 and 2A.3.66
import type { JsonObject, Resource } from '#fhir-model';
import type { FieldValue, SegmentValue } from '../../message/build.ts';
import { type Building, objects, text } from '../building.ts';
import { cwe } from '../types/coded.ts';
import { type ObxSeries, obxStatus } from './observation.ts';

/** LOINC: what a report as a document is where it has no code. */
const reportCode: JsonObject = {
  coding: [{ system: 'http://loinc.org', code: '11502-2', display: 'Laboratory report' }],
};

interface Document {
  type: 'ED' | 'RP';
  value: FieldValue;
}

/** Table 0191, and what follows the stroke of the MIME type. */
function mime(contentType: string | undefined): [string | undefined, string | undefined] {
  const [main, sub] = (contentType ?? '').split(';')[0]!.trim().split('/');
  return [main || undefined, sub || undefined];
}

/** Of an attachment: its data, those of the Binary that its url names, or the address. */
function documentOf({ graph }: Building, form: JsonObject): Document | undefined {
  const binary = graph.resolve(form.url);
  const data = text(form.data) ?? text(binary?.data);
  const [main, sub] = mime(text(form.contentType) ?? text(binary?.contentType));
  if (data !== undefined) return { type: 'ED', value: [undefined, main, sub, 'Base64', data.replaceAll(/\s/g, '')] };
  const url = text(form.url);
  return url === undefined ? undefined : { type: 'RP', value: [url, undefined, main, sub] };
}

export function documentSegments(building: Building, report: Resource, series: ObxSeries): SegmentValue[] {
  return objects(report.presentedForm).flatMap((form): SegmentValue[] => {
    const made = documentOf(building, form);
    if (made === undefined) return [];
    const title = text(form.title);
    const code = cwe(building, title === undefined ? (report.code ?? reportCode) : titled(report, title));
    const status = obxStatus(report.status) ?? 'F';
    const fields = { 1: series.next(), 2: made.type, 3: code, 4: series.sub(code), 5: made.value, 11: status };
    return [{ name: 'OBX', fields }];
  });
}

function titled({ code }: Resource, display: string): JsonObject {
  const [coding] = objects((code as JsonObject | undefined)?.coding);
  return { coding: [{ ...(coding ?? objects(reportCode.coding)[0]!), display }] };
}
