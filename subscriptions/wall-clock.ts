// What a clock on the wall shows in an IANA zone.

const weekdays: Record<string, string> = {
  ...{ Mon: 'mon', Tue: 'tue', Wed: 'wed', Thu: 'thu', Fri: 'fri', Sat: 'sat', Sun: 'sun' },
};

/** As https://hl7.org/fhir/R4/valueset-days-of-week.html has them, Monday first. */
export const days = Object.values(weekdays);

export interface WallClock {
  /** `mon` … `sun` */
  day: string;
  /** Seconds since midnight. */
  seconds: number;
  /** `2026-03-29` */
  date: string;
}

// Making one takes ten times as long as using it.
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone, hourCycle: 'h23', weekday: 'short', year: 'numeric', month: '2-digit', day: '2-digit' },
      ...{ hour: '2-digit', minute: '2-digit', second: '2-digit' },
    });
    formats.set(timeZone, format);
  }
  return format;
}

export function wallClock(atMs: number, timeZone: string): WallClock {
  const parts = Object.fromEntries(
    formatOf(timeZone)
      .formatToParts(atMs)
      .map(({ type, value }) => [type, value]),
  );
  return {
    day: weekdays[parts.weekday!]!,
    seconds: Number(parts.hour) * 3600 + Number(parts.minute) * 60 + Number(parts.second),
    date: `${parts.year}-${parts.month}-${parts.day}`,
  };
}
