// What the primary process and its HTTP workers say to each other. https://nodejs.org/api/cluster.html
import type { Hl7HttpAnswer, Hl7HttpRequest } from '#hl7-engine';
import type { AdminResponse, AdminRoute, Connection, ErrorCode, MetricsSnapshot } from '#platform';
import { CerebraError, isCerebraError } from '#platform';
import type { UpgradeRequest } from '#subscriptions';

/** What a worker needs to begin. */
export interface Beginning {
  connection: Connection | { url: string };
  port: number;
  fhirBaseUrl: string;
  poolMax: number;
  adminRoutes: Omit<AdminRoute, 'handle'>[];
}

/** A failure as it passes between processes. */
export interface Failure {
  message: string;
  /** Of a CerebraError. */
  cerebraCode?: ErrorCode;
  /** Of an error of the system. */
  code?: string;
  syscall?: string;
  address?: string;
  port?: number;
}

/** An AdminRequest in values that pass between processes. */
export interface RemoteRequest {
  params: Record<string, string>;
  query: string;
  headers: Record<string, string>;
  body: Uint8Array;
}

/** What one asks of the other: name → argument and answer. */
export interface Asked {
  /** Of the primary: the admin route of that place. */
  admin: { argument: { route: number } & RemoteRequest; answer: AdminResponse };
  mqttReady: { argument: undefined; answer: boolean };
  /** Of the primary: what becomes of an HL7 message. */
  hl7: { argument: Hl7HttpRequest; answer: Hl7HttpAnswer };
  /** Of the primary: the metrics of all processes. */
  metricsText: { argument: undefined; answer: string };
  /** Of a worker: its own. */
  snapshot: { argument: undefined; answer: MetricsSnapshot };
}

export type Message =
  | { kind: 'listening' }
  | { kind: 'failed'; failure: Failure }
  | { kind: 'begin'; beginning: Beginning }
  | { kind: 'ready' }
  | { kind: 'committed' }
  | { kind: 'stop' }
  /** Comes with the connection, whose handshake is not made yet. */
  | { kind: 'web socket'; request: UpgradeRequest; head: Uint8Array }
  | { kind: 'ask'; number: number; name: keyof Asked; argument: unknown }
  | { kind: 'answer'; number: number; value: unknown }
  | { kind: 'refusal'; number: number; failure: Failure };

interface SystemError extends Error {
  code?: string;
  syscall?: string;
  address?: string;
  port?: number;
}

/** Of the causes the one that tells most. */
export function failureOf(error: unknown): Failure {
  if (isCerebraError(error)) return { message: error.message, cerebraCode: error.code };
  if (!(error instanceof Error)) return { message: String(error) };
  const { message, code, syscall, address, port } = error as SystemError;
  const failure: Failure = { message };
  if (code !== undefined) failure.code = code;
  if (syscall !== undefined) failure.syscall = syscall;
  if (address !== undefined) failure.address = address;
  if (port !== undefined) failure.port = port;
  return failure;
}

export function errorOf({ message, cerebraCode, ...system }: Failure): Error {
  if (cerebraCode !== undefined) return new CerebraError(cerebraCode, message);
  return Object.assign(new Error(message), system);
}
