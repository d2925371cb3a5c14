// ADT messages for tests.

const at = (minute: number) => `2026013112${String(minute).padStart(2, '0')}00`;

export function head(event: string, minute = 0): string[] {
  return [`MSH|^~\\&|ADT|NORTH|EHR|SOUTH|${at(minute)}||ADT^${event}|A1|P|2.5.1`, `EVN|${event}|${at(minute)}`];
}

export const pid =
  'PID|1||888^^^^AN~777^^^HOSP&1.2.3&ISO^MR||Test^Anna^Maria||19800102|F|||1 Main St^^Town^ST^12345||555-1000||||M';
export const pv1 = (place: string, more: Record<number, string> = {}) => {
  const fields = ['PV1', '1', 'I', place];
  for (const [number, value] of Object.entries({ 19: 'V55^^^HOSP', ...more })) fields[Number(number)] = value;
  return Array.from(fields, (field) => field ?? '').join('|');
};
