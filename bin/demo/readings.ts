// Readings of a bedside monitor, authored for the demo. Their shape: docs/devices.md

export interface Reading {
  /** ISO instant with offset. */
  time: string;
  metric: string;
  value: number | { systolic: number; diastolic: number };
  unit: string;
}

/**
 * Five readings of the last two seconds, in units as monitors give them: the server turns them into UCUM. Older ones would be of the
 * patient who had the monitor before, where it has just been moved.
 */
export function demoReadings(nowMs: number): Reading[] {
  const at = (secondsAgo: number): string => new Date(nowMs - secondsAgo * 1000).toISOString();
  return [
    { time: at(2), metric: 'heart-rate', value: 96, unit: 'bpm' },
    { time: at(2), metric: 'oxygen-saturation', value: 95, unit: '%' },
    { time: at(2), metric: 'body-temperature', value: 99.1, unit: '°F' },
    { time: at(1), metric: 'blood-pressure', value: { systolic: 142, diastolic: 91 }, unit: 'mmHg' },
    { time: at(0), metric: 'heart-rate', value: 102, unit: 'bpm' },
  ];
}
