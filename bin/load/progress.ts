// How far a load is: a bar that is drawn over on a terminal, else a line every so often.
import type { LoadProgress } from '#fhir-server';
import { count, duration, size } from './text.ts';

export interface Output {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
}

export interface ProgressView {
  show(progress: LoadProgress): void;
  /** A line of its own, above the bar. */
  say(line: string): void;
  /** The bar goes. */
  end(): void;
}

const BAR_WIDTH = 24;
const DRAW_MS = 100;
const LINE_MS = 5_000;
/** The rate is that of the last so many milliseconds: what it was an hour ago tells nothing of the time that remains. */
const WINDOW_MS = 15_000;

interface Sample {
  atMs: number;
  bytes: number;
  resources: number;
}

const resourcesOf = ({ counts }: LoadProgress): number =>
  counts.created + counts.updated + counts.present + counts.refused;

/** Per second, over the window. */
function rates(samples: readonly Sample[]): { bytes: number; resources: number } {
  const [first, last] = [samples[0]!, samples.at(-1)!];
  const seconds = Math.max(last.atMs - first.atMs, 1) / 1000;
  return { bytes: (last.bytes - first.bytes) / seconds, resources: (last.resources - first.resources) / seconds };
}

/** `[######----]  42 %  1.2 GB of 2.9 GB  820,113 resources  12,345/s  2 min 10 s left` */
function progressText(progress: LoadProgress, samples: readonly Sample[], what = 'resources'): string {
  const { bytesDone, bytesTotal } = progress;
  const share = bytesTotal === 0 ? 1 : Math.min(bytesDone / bytesTotal, 1);
  const full = Math.round(share * BAR_WIDTH);
  const rate = rates(samples);
  const left = rate.bytes > 0 ? `${duration((bytesTotal - bytesDone) / rate.bytes)} left` : '';
  const refused = progress.counts.refused > 0 ? [`${count(progress.counts.refused)} refused`] : [];
  return [
    `[${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}] ${String(Math.floor(share * 100)).padStart(3)} %`,
    `${size(bytesDone)} of ${size(bytesTotal)}`,
    `${count(resourcesOf(progress))} ${what}`,
    `${count(rate.resources)}/s`,
    ...refused,
    left,
  ]
    .join('  ')
    .trimEnd();
}

/** `now` in milliseconds, from any moment on; `what` is counted. */
export function createProgressView(output: Output, now: () => number, what?: string): ProgressView {
  const onTerminal = output.isTTY === true;
  let samples: Sample[] = [{ atMs: now(), bytes: 0, resources: 0 }];
  let drawnMs = Number.NEGATIVE_INFINITY;
  let bar = '';
  const clear = (): void => {
    if (onTerminal && bar !== '') output.write('\r\x1b[2K');
  };
  return {
    show(progress) {
      const atMs = now();
      const sample = { atMs, bytes: progress.bytesDone, resources: resourcesOf(progress) };
      // What an earlier load did is no part of this one's rate.
      if (sample.resources === 0) samples = [sample];
      else if (atMs - samples.at(-1)!.atMs >= DRAW_MS) samples.push(sample);
      while (samples.length > 2 && atMs - samples[0]!.atMs > WINDOW_MS) samples.shift();
      if (atMs - drawnMs < (onTerminal ? DRAW_MS : LINE_MS)) return;
      drawnMs = atMs;
      bar = progressText(progress, [...samples, sample], what);
      output.write(onTerminal ? `\r\x1b[2K${bar}` : `${bar}\n`);
    },
    say(line) {
      clear();
      output.write(`${line}\n`);
      if (onTerminal && bar !== '') output.write(bar);
    },
    end() {
      clear();
      bar = '';
    },
  };
}
