// One worker that runs when woken, and by itself at growing intervals.

export interface Loop {
  start(): void;
  /** Runs soon, if started; a wake during a run makes another run follow. */
  wake(): void;
  /** No further run starts; resolves when the running one has ended. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  /** True: there may be more, run again at once. Must not throw: what it throws goes to `onError`. */
  work: () => Promise<boolean>;
  onError: (error: unknown) => void;
  /** Pause after the first idle run since a wake; doubles up to `idleMsMax`. */
  idleMsMin: number;
  idleMsMax: number;
  /** Pause after an error. */
  errorMs: number;
  /** Least time from one start to the next: under load, fewer runs with more to do each. Default none. */
  everyMsMin?: number | (() => number);
}

export function createLoop(options: LoopOptions): Loop {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let woken = false;
  let stopped = true;
  let idleMs = options.idleMsMin;
  let startedMs = Number.NEGATIVE_INFINITY;

  const { everyMsMin = 0 } = options;
  const everyMs = typeof everyMsMin === 'number' ? () => everyMsMin : everyMsMin;
  /** How long until the next run may start. */
  const tooSoonMs = () => Math.max(0, Math.ceil(startedMs + everyMs() - performance.now()));

  const once = async (): Promise<number> => {
    woken = false;
    startedMs = performance.now();
    try {
      const more = await options.work();
      if (more || woken) {
        idleMs = options.idleMsMin;
        return more ? 0 : tooSoonMs();
      }
    } catch (error) {
      options.onError(error);
      woken = false;
      return options.errorMs;
    }
    const pauseMs = idleMs;
    idleMs = Math.min(idleMs * 2, options.idleMsMax);
    return pauseMs;
  };
  const run = async () => {
    let pauseMs = 0;
    while (pauseMs === 0 && !stopped) pauseMs = await once();
    running = undefined;
    // A wake may come between the end of the run and this turn: it found one running, which would not have seen it.
    if (!stopped) timer = setTimeout(go, woken ? tooSoonMs() : pauseMs);
  };
  const go = () => {
    clearTimeout(timer);
    // Not in this turn: what wakes it within the run has to find it running.
    running ??= Promise.resolve().then(run);
  };

  return {
    start() {
      stopped = false;
      go();
    },
    wake() {
      woken = true;
      idleMs = options.idleMsMin;
      if (stopped || running) return;
      clearTimeout(timer);
      const pauseMs = tooSoonMs();
      if (pauseMs === 0) go();
      else timer = setTimeout(go, pauseMs);
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
