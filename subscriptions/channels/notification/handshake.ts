// The handshake of rest-hooks and of FHIR messages: an endpoint that does not take it gets nothing.
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html
import { type Db, isCerebraError, type Statement } from '#platform';
import type { Hosts } from '../../dispatch/hosts.ts';
import type { Registration } from '../../registration.ts';
import type { Notifications } from './notifications.ts';
import type { Sending } from './sending.ts';

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
  /** Of the channels whose endpoints are asked. */
  sendings: Record<'rest-hook' | 'message', Sending>;
  hosts: Hosts;
  notifications: Notifications;
}

const lastNumber: Statement = {
  name: 'handshake_last_number',
  text: 'select last_number as number from subscriber where id = $1',
};

export function createHandshake({ db, sendings, hosts, notifications }: HandshakeOptions): Handshake {
  const bodyOf = async ({ id, topic }: Registration): Promise<string> => {
    const [row] = await db.query<{ number: bigint }>(lastNumber, [id]);
    const { url, content } = topic!;
    const about = { subscription: id, topic: url, content, type: 'handshake', status: 'requested' } as const;
    return notifications.bundle({ ...about, eventsSinceStart: row?.number ?? 0n }, []);
  };
  return {
    isNeeded: ({ topic, channel }) => topic !== undefined && (channel === 'rest-hook' || channel === 'message'),
    async shake(registration, signal) {
      const { host } = registration;
      if (hosts.enter(host) !== 'entered') return 'later';
      try {
        const send = sendings[registration.channel as keyof typeof sendings];
        const result = await send(registration, await bodyOf(registration), undefined, signal);
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
