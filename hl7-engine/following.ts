// What several servers share in a database or folder, looked at again and again.

export interface Following {
  /** Sees now what would be seen at the next poll; one look after the other. */
  refresh(): Promise<void>;
  /** The first look, then polls. */
  start(): Promise<void>;
  /** Resolves when the running look has ended. */
  stop(): Promise<void>;
}

/** `onError`: of a poll; what fails is tried again at the next one. */
export function following(
  look: () => Promise<void>,
  pollIntervalMs: number,
  onError: (error: unknown) => void,
): Following {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const refresh = (): Promise<void> => {
    const now = running.then(look);
    running = now.catch(() => undefined);
    return now;
  };
  const poll = (): void => {
    timer = setTimeout(() => {
      refresh()
        .catch(onError)
        .finally(() => timer !== undefined && poll());
    }, pollIntervalMs);
  };
  return {
    refresh,
    async start() {
      await refresh();
      poll();
    },
    async stop() {
      clearTimeout(timer);
      timer = undefined;
      await running;
    },
  };
}
