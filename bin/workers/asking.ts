// Questions to the process at the other end of a channel, and answers to its questions.
import { CerebraError } from '#platform';
import { type Asked, errorOf, failureOf, type Message } from './messages.ts';

export type Answers = {
  [Name in keyof Asked]?: (argument: Asked[Name]['argument']) => Promise<Asked[Name]['answer']>;
};

export interface Asking {
  ask<Name extends keyof Asked>(name: Name, argument: Asked[Name]['argument']): Promise<Asked[Name]['answer']>;
  /** True when the message was one of these. */
  take(message: Message): boolean;
  /** The other end is gone: open questions get no answer any more. */
  end(): void;
}

/** The other end is busy, or hangs. */
const ANSWER_TIMEOUT_MS = 30_000;

export function createAsking(send: (message: Message) => void, answers: Answers): Asking {
  const open = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  let last = 0;
  const answer = async ({ number, name, argument }: Message & { kind: 'ask' }): Promise<void> => {
    try {
      const give = answers[name] as ((argument: unknown) => Promise<unknown>) | undefined;
      if (!give) throw new CerebraError('internal', `This process does not know '${name}'`);
      send({ kind: 'answer', number, value: await give(argument) });
    } catch (error) {
      send({ kind: 'refusal', number, failure: failureOf(error) });
    }
  };
  return {
    ask<Name extends keyof Asked>(name: Name, argument: Asked[Name]['argument']) {
      const number = ++last;
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const late = setTimeout(
        () => reject(new CerebraError('timeout', 'Another process of this server does not answer')),
        ANSWER_TIMEOUT_MS,
      );
      open.set(number, { resolve, reject });
      send({ kind: 'ask', number, name, argument });
      return promise.finally(() => {
        clearTimeout(late);
        open.delete(number);
      }) as Promise<Asked[Name]['answer']>;
    },
    take(message) {
      if (message.kind === 'ask') void answer(message);
      else if (message.kind === 'answer') open.get(message.number)?.resolve(message.value);
      else if (message.kind === 'refusal') open.get(message.number)?.reject(errorOf(message.failure));
      else return false;
      return true;
    },
    end() {
      for (const { reject } of open.values()) {
        reject(new CerebraError('unavailable', 'Another process of this server has ended'));
      }
    },
  };
}
