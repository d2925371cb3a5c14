// The rules that are in force: PlanDefinitions in the order of the change stream, and the built-in ones. Each is a subscriber
// of the stream; its row names the version that is in force, so that every server judges by the same text.
import { type Change, type ChangeFeed, type Issue, parseJson, type Resource, type VersionKey } from '#fhir-model';
import { CerebraError, type Db, isCerebraError, type Log, type Statement } from '#platform';
import type { Definer } from '../dispatch/plan.ts';
import { createSeenVersions } from '../dispatch/seen-versions.ts';
import { type SubscriberChange, saveRegistration } from '../dispatch/subscribers.ts';
import type { CriteriaRules } from '../match/criteria.ts';
import type { Entry, Matcher } from '../match/matcher.ts';
import type { Registration } from '../registration.ts';
import { isRule, readRule } from './rules/definition.ts';
import { entriesOf, type ReadyRule, readyRule, ruleSubscriber } from './rules/ready.ts';
import type { Rule } from './rules/rule.ts';

export interface RuleSetOptions {
  db: Db;
  feed: ChangeFeed;
  matcher: Matcher;
  criteria: CriteriaRules;
  /** Rules that are there unless a PlanDefinition of the same id takes their place. */
  builtIn: readonly Resource[];
  /** What is listened for beside rules: it has subscribers of its own. */
  beside: readonly { registration: Registration; entries: readonly Entry[] }[];
  log: Log;
}

export interface RuleSet {
  definer: Definer;
  /** Saves what is built in; before the dispatcher starts. */
  install(): Promise<void>;
  /** The rule that a subscriber's row names; undefined where its text is no longer there, or says nothing sound. */
  ready(endpoint: string): Promise<ReadyRule | undefined>;
  /** The rule of that id that is in force. */
  inForce(id: string): Promise<ReadyRule | undefined>;
  /** All that are in force. */
  all(): Promise<ReadyRule[]>;
  /** What is wrong with a text that was in force and is refused by now; known once `all` has been asked. */
  faultOf(endpoint: string): string | undefined;
}

const active: Statement = {
  name: 'alert_rules_active',
  text: `select id, endpoint, version from subscriber where channel = 'alert' and state = 'active' order by id`,
};
/** Their end has to be heard of, too. */
const faulty: Statement = {
  name: 'alert_rules_faulty',
  text: `select id, version from subscriber where channel = 'alert' and state = 'error'`,
};
const one: Statement = {
  name: 'alert_rule_of',
  text: `select id, endpoint, version from subscriber where id = $1 and channel = 'alert' and state = 'active'`,
};
const present: Statement = {
  name: 'alert_rules_present',
  text: `select id, state, endpoint from subscriber where id = any ($1)`,
};

interface RuleRow {
  id: string;
  endpoint: string;
  version: number;
}

const builtInEndpoint = (id: string): string => `built-in/${id}`;
const endpointOf = ({ id, version }: Rule): string => `PlanDefinition/${id}/_history/${version}`;

export function createRuleSet(options: RuleSetOptions): RuleSet {
  const { db, matcher, criteria } = options;
  /** By endpoint, of what is kept for `revision`: what has been read of a version changes with the search parameters alone. */
  const kept = new Map<string, ReadyRule>();
  /** By id of the rule: version last seen in the stream, and the ids of its entries. */
  const versions = createSeenVersions();
  const entries = new Map<string, string[]>();
  /** By endpoint: texts that were sound for an earlier version of this program, or with other search parameters. */
  const faults = new Map<string, string>();
  let revision = criteria.parameters.revision;
  const builtIn = new Map<string, { registration: Registration }>();
  /** By endpoint. R4's search parameters, by which they listen, never change. */
  const builtInRules = new Map<string, ReadyRule>();
  for (const resource of options.builtIn) {
    const rule = readRule(resource, 0, criteria);
    const registration = registrationOf(rule, builtInEndpoint(rule.id));
    builtIn.set(rule.id, { registration });
    builtInRules.set(registration.endpoint, readyRule(rule, criteria.baseUrl));
  }
  const forgetFormer = () => {
    if (revision === criteria.parameters.revision) return;
    revision = criteria.parameters.revision;
    kept.clear();
    faults.clear();
  };
  const keptOf = (endpoint: string): ReadyRule | undefined => {
    forgetFormer();
    return builtInRules.get(endpoint) ?? kept.get(endpoint);
  };

  const file = (rule: Rule) => {
    unfile(rule.id);
    const filed = entriesOf(rule);
    for (const entry of filed) matcher.put(entry);
    entries.set(
      rule.id,
      filed.map(({ id }) => id),
    );
  };
  const unfile = (id: string) => {
    for (const entry of entries.get(id) ?? []) matcher.remove(entry);
    entries.delete(id);
  };
  const keep = (endpoint: string, ready: ReadyRule): ReadyRule => {
    forgetFormer();
    if (kept.size >= rulesMax) kept.clear();
    kept.set(endpoint, ready);
    return ready;
  };
  /** Texts of them, in one question; '' for what is no longer there. */
  const textsOf = async (endpoints: readonly string[]): Promise<Map<string, string>> => {
    const unread = endpoints.filter(versionOf);
    const bodies =
      unread.length === 0
        ? []
        : await options.feed.bodies(
            db,
            unread.map((one) => versionOf(one)!),
          );
    return new Map(unread.map((endpoint, i) => [endpoint, bodies[i]!]));
  };
  const read = (endpoint: string, text: string | undefined): ReadyRule | undefined => {
    if (!text) return undefined;
    const rule = readRule(parseJson(text).exact as Resource, versionOf(endpoint)!.version, criteria);
    return keep(endpoint, readyRule(rule, criteria.baseUrl));
  };
  const ready = async (endpoint: string): Promise<ReadyRule | undefined> =>
    keptOf(endpoint) ?? read(endpoint, (await textsOf([endpoint])).get(endpoint));
  const list = async (rows: readonly RuleRow[]): Promise<ReadyRule[]> => {
    const found: ReadyRule[] = [];
    const known = new Map(rows.map(({ endpoint }) => [endpoint, keptOf(endpoint)]));
    const sound = rows.filter(({ endpoint }) => !faults.has(endpoint));
    const texts = await textsOf(
      [...known].flatMap(([endpoint, one]) => (one || faults.has(endpoint) ? [] : [endpoint])),
    );
    for (const { id, endpoint } of sound) {
      try {
        const rule = known.get(endpoint) ?? read(endpoint, texts.get(endpoint));
        if (rule) found.push(rule);
      } catch (err) {
        if (!isCerebraError(err) || err.status >= 500) throw err;
        faults.set(endpoint, err.message);
        options.log.error({ err, rule: id }, 'a rule that is in force can not be read any more');
      }
    }
    return found;
  };

  return {
    ready,
    async inForce(id) {
      return (await list(await db.query<RuleRow>(one, [ruleSubscriber(id)])))[0];
    },
    all: async () => list(await db.query<RuleRow>(active)),
    faultOf(endpoint) {
      forgetFormer();
      return faults.get(endpoint);
    },
    async install() {
      const wanted = [...builtIn.values(), ...options.beside].map(({ registration }) => registration);
      const rows = await db.query<{ id: string }>(present, [wanted.map(({ id }) => id)]);
      const there = new Set(rows.map(({ id }) => id));
      for (const registration of wanted) if (!there.has(registration.id)) await saveRegistration(db, registration, 0);
    },
    definer: {
      types: ['PlanDefinition'],
      async load() {
        versions.clear();
        entries.clear();
        for (const beside of options.beside) for (const entry of beside.entries) matcher.put(entry);
        const rows = await db.query<RuleRow>(active);
        const unsound = await db.query<Pick<RuleRow, 'id' | 'version'>>(faulty);
        for (const { id, version } of [...rows, ...unsound]) versions.set(id.slice('alert:'.length), version);
        for (const { rule } of await list(rows)) file(rule);
      },
      onChange(change, resource) {
        if (change.version <= versions.of(change.id)) return [];
        const wasThere = entries.has(change.id) || builtIn.has(change.id);
        const isMine = resource !== undefined && isRule(resource);
        if (!wasThere && !isMine && !versions.has(change.id)) return [];
        if (resource) versions.set(change.id, change.version);
        else versions.setGone(change.id, change.version);
        unfile(change.id);
        const next = isMine ? enact(change, resource) : revert(change);
        if (next.kind === 'activate') file(keptOf(next.registration.endpoint)!.rule);
        return [next];
      },
    },
  };

  function enact(change: Change, resource: Resource): SubscriberChange {
    const { id, version } = change;
    const subscriber = ruleSubscriber(id);
    if (resource.status !== 'active') return { kind: 'delete', id: subscriber, version };
    try {
      const rule = readRule(resource, version, criteria);
      const endpoint = endpointOf(rule);
      keep(endpoint, readyRule(rule, criteria.baseUrl));
      return { kind: 'activate', registration: registrationOf(rule, endpoint), version };
    } catch (err) {
      if (!isCerebraError(err)) throw err;
      options.log.warn({ rule: id, code: err.code }, 'a PlanDefinition is no sound rule: it is not in force');
      return { kind: 'stop', id: subscriber, version, state: 'error', error: err.message };
    }
  }

  /** A PlanDefinition that is no rule any more leaves its place to the built-in one. */
  function revert({ id, version }: Change): SubscriberChange {
    const original = builtIn.get(id);
    if (original) return { kind: 'activate', registration: original.registration, version };
    return { kind: 'delete', id: ruleSubscriber(id), version };
  }
}

const rulesMax = 2_000;

function versionOf(endpoint: string): VersionKey | undefined {
  const found = /^PlanDefinition\/([^/]+)\/_history\/(\d+)$/.exec(endpoint);
  return found ? { type: 'PlanDefinition', id: found[1]!, version: Number(found[2]) } : undefined;
}

/** `endpoint` names the text of the rule; `criteria` are for people. */
function registrationOf(rule: Rule, endpoint: string): Registration {
  const types = new Set(rule.actions.flatMap(({ triggers }) => triggers.map(({ query }) => query.type)));
  return {
    ...{ id: ruleSubscriber(rule.id), channel: 'alert', criteria: `${rule.kind}: ${[...types].join(', ')}` },
    ...{ endpoint, host: '', payload: '', header: [], secret: '' },
  };
}

/** What is wrong with a PlanDefinition that wants to be a rule of alerting, for whoever is about to store it. */
export function checkRule(resource: Resource, criteria: CriteriaRules): Issue[] {
  if (!isRule(resource)) return [];
  try {
    readRule(resource, 0, criteria);
    return [];
  } catch (error) {
    if (!isCerebraError(error)) throw error;
    return error.issues;
  }
}

/** The rule of a body that was sent, for a dry run. */
export function ruleOfBody(resource: Resource, criteria: CriteriaRules): ReadyRule {
  if (!isRule(resource)) {
    throw new CerebraError(
      'invalid',
      'A rule is a PlanDefinition of type eca-rule with the extension urn:cerebra:alert:kind',
    );
  }
  return readyRule(readRule(resource, 0, criteria), criteria.baseUrl);
}
