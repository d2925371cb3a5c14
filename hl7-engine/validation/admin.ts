// Conformance profiles and validation for operators. These belong behind the admin authentication: messages are patients' data.
import { z } from 'zod';
import { type AdminParameter, type AdminRequest, type AdminResponse, type AdminRoute, CerebraError } from '#platform';
import { checkHeader, read } from '../message/header.ts';
import type { Hl7Message } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { bodyOf, parsed, signature } from '../routes/admin-change.ts';
import type { Route } from '../routes/schema.ts';
import { type Finding, operationOutcome } from './finding.ts';
import { nameForm } from './profile-folder.ts';
import type { KnownProfile, Profiles } from './profiles.ts';

const base = '/admin/hl7/profiles';

const documentsMax = 20;
const putBody = signature.extend({ documents: z.array(z.string().min(1)).min(1).max(documentsMax) });
const settingsSchema = z.strictObject({
  structure: z.enum(['off', 'lenient', 'strict']).default('strict'),
  profile: z.string().min(1).max(64).optional(),
});

export interface ValidationAdmin {
  profiles: Profiles;
  usedBy(profile: string): string[];
  /** Throws Refusal where the profile is not there. */
  check(message: Hl7Message, settings: Route['validation']): Promise<Finding[]>;
}

const by = { author: 'jdoe', comment: 'Case notifications' };
const nothing = '<ConformanceProfile ID="…">…</ConformanceProfile>';

const query = (name: string, description: string, example: string): AdminParameter => ({
  ...{ name, in: 'query', description, example },
  schema: { type: 'string' },
});

export function validationRoutes(admin: ValidationAdmin): AdminRoute[] {
  const { profiles } = admin;
  return [
    {
      method: 'GET',
      path: base,
      summary: 'Conformance profiles that messages can be checked against',
      handle: async () => ({
        status: 200,
        body: { profiles: profiles.all().map(summaryOf), problems: problemsOf(profiles) },
      }),
    },
    {
      method: 'GET',
      path: `${base}/:name`,
      summary: 'One profile with its documents',
      handle: async ({ params }) => {
        const known = profiles.find(params.name!);
        if (known === undefined) throw new CerebraError('not-found', `There is no profile ${params.name}`);
        return { status: 200, body: { ...summaryOf(known), documents: known.documents } };
      },
    },
    {
      method: 'PUT',
      path: `${base}/:name`,
      summary: 'Creates or replaces a profile',
      description: `NIST's XML: one ConformanceProfile, and ConformanceContext (constraints), ValueSetLibrary, ValueSetBindingsContext. In force at once here, within a second in other servers. Larger ones than 1 MiB are put into HL7_PROFILES_DIR.`,
      request: { schema: z.toJSONSchema(putBody, { io: 'input' }), example: { documents: [nothing], ...by } },
      statuses: [200, 201],
      handle: (request) => put(profiles, request),
    },
    {
      method: 'DELETE',
      path: `${base}/:name`,
      summary: 'Removes a profile that no route uses',
      parameters: [query('author', 'Who makes the change', by.author), query('comment', 'Why', by.comment)],
      statuses: [204],
      handle: (request) => remove(admin, request),
    },
    {
      method: 'POST',
      path: '/admin/hl7/validate',
      summary: 'What is wrong with a message, as OperationOutcome; nothing is stored',
      description: 'The body is the message. `expression` is an HL7 path.',
      parameters: [
        query('profile', 'A profile by its name', 'phin-3.2'),
        query('structure', 'off, lenient or strict (default): by the tables of the version', 'strict'),
      ],
      request: {
        schema: { type: 'string' },
        example: 'MSH|^~\\&|LIS|CITYLAB|||20260131120000||ORU^R01^ORU_R01|1|P|2.5.1',
      },
      handle: (request) => validate(admin, request),
    },
  ];
}

function summaryOf({ name, origin, profile, stored }: KnownProfile) {
  const { title, messages, rules, valueSetsMissing } = profile;
  const who = stored === undefined ? {} : { author: stored.author, comment: stored.comment, at: new Date(stored.at) };
  return { name, origin, title, messages, rules, valueSetsMissing, ...who };
}

const problemsOf = ({ problems }: Profiles) => [...problems].map(([name, problem]) => ({ name, problem }));

async function put(profiles: Profiles, request: AdminRequest): Promise<AdminResponse> {
  const name = request.params.name!;
  if (!nameForm.test(name)) throw new CerebraError('invalid', 'A name has 1 to 64 letters, digits, . _ -');
  const isNew = profiles.find(name) === undefined;
  const known = await profiles.put({ name, ...bodyOf(putBody, request) });
  return { status: isNew ? 201 : 200, body: summaryOf(known) };
}

async function remove({ profiles, usedBy }: ValidationAdmin, request: AdminRequest): Promise<AdminResponse> {
  const name = request.params.name!;
  parsed(signature, { author: request.query.get('author') ?? '', comment: request.query.get('comment') ?? '' });
  const users = usedBy(name);
  if (users.length > 0) {
    throw new CerebraError(
      'business-rule',
      `Profile ${name} is used by ${users.join(', ')}: change these routes first`,
    );
  }
  await profiles.remove(name);
  return { status: 204 };
}

async function validate({ profiles, check }: ValidationAdmin, request: AdminRequest): Promise<AdminResponse> {
  const input = Object.fromEntries(['structure', 'profile'].flatMap((name) => entryOf(request, name)));
  const settings = parsed(settingsSchema, input);
  const { profile } = settings;
  if (profile !== undefined && profiles.find(profile) === undefined) {
    throw new CerebraError('not-found', `There is no profile ${profile}; GET ${base} lists them`);
  }
  const { message } = read(request.body);
  if (message instanceof Refusal) return { status: 200, body: operationOutcome([findingOf(message)]) };
  try {
    checkHeader(message);
    return { status: 200, body: operationOutcome(await check(message, settings)) };
  } catch (error) {
    if (error instanceof Refusal) return { status: 200, body: operationOutcome([findingOf(error)]) };
    throw error;
  }
}

function entryOf({ query: given }: AdminRequest, name: string): [string, string][] {
  const value = given.get(name);
  return value === null ? [] : [[name, value]];
}

/** What is refused before anything is looked at. */
function findingOf({ condition, location = { segment: 'MSH' }, message }: Refusal): Finding {
  return { severity: 'error', rule: 'structure', condition, location, text: message };
}
