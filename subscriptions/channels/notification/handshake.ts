// The handshake of a rest-hook: an endpoint that does not take it gets nothing.
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#rest-hook
import type { XmlCodec } from '#fhir-model';
import { type Db, isCerebraError, type Statement } from '#platform';
import type { Hosts } from '../../dispatch/hosts.ts';
import type { Registration } from '../../registration.ts';
import { inFormat } from '../payload.ts';
import type { RestHook } from '../rest-hook.ts';
import type { Notifications } from './notifications.ts';

export interface Handshake {
  /** Whether the Subscription is active only after one. */
  isNeeded(registration: Pick<Registration, 'topic' | 'channel'>): boolean;
  /**
   * `problem`: why the Subscription goes into error. `later`: its host takes no more at the moment, or this server stops: nothing
   * was decided. Never throws.
   */
  shake(registration: Registration, signal: AbortSignal): Promise<'accepted' | 'later' | { problem: string }>;
}

export interface HandshakeOptions {
  db: Db;
  hook: RestHook;
  hosts: Hosts;
  notifications: Notifications;
  xml: XmlCodec;
}

const lastNumber: Statement = {
  name: 'handshake_last_number',
  text: 'select last_number as number from subscriber where id = $1',
};

export function createHandshake({ db, hook, hosts, notifications, xml }: HandshakeOptions): Handshake {
  const bodyOf = async ({ id, topic, payload }: Registration): Promise<string> => {
    const [row] = await db.query<{ number: bigint }>(lastNumber, [id]);
    const { url, content } = topic!;
    const about = { subscription: id, topic: url, content, type: 'handshake', status: 'requested' } as const;
    const text = await notifications.bundle({ ...about, eventsSinceStart: row?.number ?? 0n }, []);
    return inFormat(text, payload, xml);
  };
  return {
    isNeeded: ({ topic, channel }) => topic !== undefined && channel === 'rest-hook',
    async shake(registration, signal) {
      const { host } = registration;
      if (hosts.enter(host) !== 'entered') return 'later';
      try {
        const body = await bodyOf(registration);
        const result = await hook.send({ registration, number: undefined, body }, signal);
        if (signal.aborted) return 'later';
        hosts.report(host, !result.ok && result.hostFault === true);
        return result.ok ? 'accepted' : { problem: `The handshake failed. ${result.error}` };
      } catch (err) {
        // The database could not be asked: that is not the endpoint's fault.
        if (isCerebraError(err) && err.status < 500) return { problem: `The handshake failed. ${err.message}` };
        return 'later';
      } finally {
        hosts.leave(host);
      }
    },
  };
}
