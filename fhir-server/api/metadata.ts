// https://hl7.org/fhir/R4/http.html#capabilities
import { createHash } from 'node:crypto';
import { CerebraError } from '#platform';
import { capabilityStatement, normativePortion, type Offer } from '../interactions/capabilities.ts';
import type { Core } from '../interactions/core.ts';
import { namesTag } from '../interactions/etag.ts';
import { terminologyCapabilities } from '../interactions/terminology-capabilities.ts';
import { partOf } from './reads.ts';
import type { Answer, FhirRequest } from './request.ts';

const MODES = ['full', 'normative', 'terminology'] as const;

const modeOf = (pairs: readonly [string, string][]): (typeof MODES)[number] => {
  const given = pairs.find(([name]) => name === 'mode')?.[1] ?? 'full';
  const mode = MODES.find((one) => one === given);
  if (mode) return mode;
  throw new CerebraError('invalid-parameter', `mode is one of ${MODES.join(', ')}`, { expression: ['mode'] });
};

const tags = new Map<string, string>();

/** When the process that answers was first asked: of two workers, or after a restart, another, though nothing has changed. */
const withoutDate = (text: string): string => text.replace(/"date":"[^"]*",/, '');

/** Changes when what is told does. */
function tagOf(text: string): string {
  let tag = tags.get(text);
  if (tag === undefined) {
    tag = `W/"${createHash('sha256').update(withoutDate(text)).digest('hex').slice(0, 16)}"`;
    tags.clear();
    tags.set(text, tag);
  }
  return tag;
}

/** `offers` are the routes. */
export async function metadata(core: Core, request: FhirRequest, offers: readonly Offer[]): Promise<Answer> {
  const mode = modeOf(request.pairs);
  // Without a database it tells what was in force last.
  const [topics] = await Promise.allSettled([
    core.subscriptionTopics?.() ?? [],
    core.store.registry.refresh(),
    core.packages.refresh(),
  ]);
  const statement = capabilityStatement(core, offers, topics.status === 'fulfilled' ? topics.value : undefined);
  const text =
    mode === 'terminology'
      ? await terminologyCapabilities(core, request.scope)
      : mode === 'normative'
        ? normativePortion(statement)
        : statement;
  const headers = { ETag: tagOf(text) };
  const known = request.req.headers['if-none-match'];
  if (known !== undefined && namesTag(known, headers.ETag)) return { status: 304, headers };
  const type = mode === 'terminology' ? 'TerminologyCapabilities' : 'CapabilityStatement';
  return { status: 200, body: partOf(core, request, type, text), headers };
}
