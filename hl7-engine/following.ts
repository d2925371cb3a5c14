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
  let isPolling = false;
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
        .finally(() => isPolling && poll());
    }, pollIntervalMs);
  };
  return {
    refresh,
    async start() {
      isPolling = true;
      await refresh();
      // Stopped meanwhile: a poll would look into a database that is closed, and keep the process.
      if (isPolling) poll();
    },
    async stop() {
      isPolling = false;
      clearTimeout(timer);
      await running;
    },
  };
}
