// What the parts of alerting say to each other: rules and scores find something, alerts keep its state, escalation brings
// it to people until one of them acts.
import type { Tx } from '#platform';

/** Of meta.tag: the rule that a resource was written for, by PlanDefinition.id. */
export const tagSystem = 'urn:cerebra:alert';
/** Of meta.tag: the rules whose alerts led to it. */
export const causeSystem = 'urn:cerebra:alert-cause';

/** https://hl7.org/fhir/R4/valueset-request-priority.html has four; `critical` and `high` are its stat and asap. */
export type Severity = 'info' | 'low' | 'moderate' | 'high' | 'critical';

/** What a rule found, or found to be over. */
export interface Finding {
  /** PlanDefinition.id of the rule, or the name of a built-in one. */
  rule: string;
  /** `Patient/1`, or another subject that a Flag can have; '' when it is about nobody (a feed that fails). */
  subject: string;
  /** `Encounter/1` */
  encounter?: string;
  /** Tells apart what one rule can find of one subject at a time: an Observation's id, a code; '' for one alert a subject. */
  key: string;
  state: 'raised' | 'cleared';
  severity: Severity;
  /** What it is, without anything of the patient: `Critically high potassium`. */
  title: string;
  /** Coding of the title where there is one. */
  code?: { system: string; code: string; display: string };
  /** The values that led to it, for those who may see them: `6.9 mmol/L (limit 6.2)`. */
  detail: string;
  /** References of the resources that it rests on: `Observation/1`. */
  evidence: string[];
  /** Clinical time of what led to it, milliseconds since 1970 UTC. */
  atMs: number;
  /** Rules whose alerts it rests on, and whose those did: none of them judges what tells of this one, or they would go on for ever. */
  causes?: string[];
  /** How it is brought to people: PlanDefinition.id of an escalation; without it nobody is called. */
  escalation?: string;
}

/** An alert as it stands: one Flag, whatever follows. */
export interface Alert extends Omit<Finding, 'state'> {
  /** Flag.id, and the id of its row; Task and Communications derive theirs from it. */
  id: string;
  status: 'active' | 'acknowledged' | 'resolved' | 'suppressed';
  raisedMs: number;
}

/** Why escalation ends. */
export type AlertEnd = 'acknowledged' | 'cleared' | 'closed';

/** What alerts ask of escalation: in the transaction that writes the alert, so that a crash leaves both or none. */
export interface Escalation {
  /** `worse`: it is more severe than it just was, though perhaps not for the first time. */
  begin(tx: Tx, alert: Alert, worse?: boolean): Promise<void>;
  /** It got as severe as this, and is told later: begun then with as much, it begins as worse. */
  awaitWorse(tx: Tx, alertId: string, severity: Severity): Promise<void>;
  end(tx: Tx, alertId: string, why: AlertEnd): Promise<void>;
}

/** How somebody has acted; without it, through the API. */
export interface Way {
  way: 'api' | 'link' | 'reply' | 'button' | 'resource';
  /** The Communication, Task or Flag by which: `Task/1`. */
  through?: string;
  /** What they call themselves, where `by` is no person. */
  name?: string;
  /** Whether that still stands, asked once the alert has been read: it may have got worse since, and been told anew. */
  holds?: () => Promise<boolean>;
}

/** What escalation, web sockets and operations ask of alerts. */
export interface Alerts {
  /** Brings the alert of each finding into line with it. Doing it twice is doing it once. Throws CerebraError as the writer does. */
  settle(findings: readonly Finding[]): Promise<void>;
  /**
   * Somebody takes care of it: the Task is completed, escalation ends. `by`: a reference (`Practitioner/1`) or a name of the
   * channel's. False when there is no such alert, or it was not open any more.
   */
  acknowledge(id: string, by: string, note?: string, how?: Way): Promise<boolean>;
  /** The alert as it stands; undefined where there is none. */
  read(id: string): Promise<Alert | undefined>;
}
