// Emergency Severity Index, version 4: Gilboy, Tanabe, Travers, Rosenau: "Emergency Severity Index (ESI): A Triage Tool for
// Emergency Department Care, Version 4. Implementation Handbook 2012 Edition", AHRQ Publication 12-0014. The four decision
// points as far as vital signs and the nurse's answers carry; it suggests, and says why. A nurse decides.

export type EsiLevel = 1 | 2 | 3 | 4 | 5;

/** What is known; nothing is assumed of what is not. */
export interface Presentation {
  /** Whole months. */
  ageMonths?: number;
  heartRate?: number;
  respiratoryRate?: number;
  /** Percent. */
  oxygenSaturation?: number;
  /** Degrees Celsius. */
  temperature?: number;
  consciousness?: string;
  /** Told by the nurse: an intervention that saves life is needed now. */
  lifesaving?: boolean;
  /** Told by the nurse: a high-risk situation. */
  highRisk?: boolean;
  /** 0 to 10. */
  pain?: number;
  /** How many different resources the nurse expects to be needed. */
  resources?: number;
}

export interface Suggestion {
  /** Absent: it can't be told without what is missing. */
  level?: EsiLevel;
  /** A more urgent level that the nurse should think of. */
  consider?: EsiLevel;
  reasons: string[];
  missing: string[];
}

/** Danger zone vitals by age, decision point D: up to this age in months, above these rates. */
const dangerZones: [belowMonths: number, heartRate: number, respiratoryRate: number][] = [
  [3, 180, 50],
  [36, 160, 40],
  [96, 140, 30],
  [Number.POSITIVE_INFINITY, 100, 20],
];
const dangerSaturation = 92;
/** Below this an airway or breathing intervention may be needed at once: decision point A. */
const criticalSaturation = 90;
const severePain = 7;
/** Fever of the youngest: at least level 2 in the first 28 days, here the first month; to be considered up to three months. */
const feverCelsius = 38;
/** From three months to three years above this at least level 3 is to be considered. */
const highFeverCelsius = 39;

export function suggestEsi(known: Presentation): Suggestion {
  const reasons = immediate(known);
  const missing = missingOf(known);
  if (reasons.length > 0) return { level: 1, reasons, missing: [] };
  const risks = highRisk(known);
  if (risks.length > 0) return { level: 2, reasons: risks, missing };
  if (known.resources === undefined) {
    const first = worthConsidering(known);
    return { ...(first.length > 0 ? { consider: 2 as const } : {}), reasons: first, missing };
  }
  const { resources } = known;
  const level = resources === 0 ? 5 : resources === 1 ? 4 : 3;
  const dangers = level === 3 ? worthConsidering(known) : feverOf(known);
  const fever = level > 3 && dangers.length === 0 ? highFeverOf(known) : [];
  const needed = `${resources === 0 ? 'no' : resources === 1 ? 'one' : 'two or more'} resources expected`;
  const consider = dangers.length > 0 ? 2 : fever.length > 0 ? 3 : undefined;
  return { level, ...(consider ? { consider } : {}), reasons: [needed, ...dangers, ...fever], missing };
}

/** Decision point A. */
function immediate({
  lifesaving,
  consciousness,
  oxygenSaturation,
  respiratoryRate,
  heartRate,
}: Presentation): string[] {
  return [
    ...(lifesaving ? ['an immediate life-saving intervention is needed'] : []),
    ...(consciousness === 'unresponsive' ? ['unresponsive'] : []),
    ...(consciousness === 'pain' ? ['responds to pain only'] : []),
    ...(oxygenSaturation !== undefined && oxygenSaturation < criticalSaturation
      ? [`oxygen saturation ${oxygenSaturation} % is below ${criticalSaturation} %`]
      : []),
    ...(respiratoryRate === 0 ? ['no breathing'] : []),
    ...(heartRate === 0 ? ['no pulse'] : []),
  ];
}

/** Decision point B. */
function highRisk({ highRisk: told, consciousness, pain, ageMonths, temperature }: Presentation): string[] {
  return [
    ...(told ? ['a high-risk situation'] : []),
    ...(consciousness === 'confusion' ? ['new confusion'] : []),
    ...(consciousness === 'voice' ? ['lethargic: responds to voice only'] : []),
    ...(pain !== undefined && pain >= severePain ? [`severe pain: ${pain} of 10`] : []),
    ...(ageMonths === 0 && temperature !== undefined && temperature > feverCelsius
      ? [`fever of ${temperature} °C in the first month of life`]
      : []),
  ];
}

const worthConsidering = (known: Presentation): string[] => [...dangersOf(known), ...feverOf(known)];

/** Decision point D. */
function dangersOf({ ageMonths, heartRate, respiratoryRate, oxygenSaturation }: Presentation): string[] {
  const saturation = oxygenSaturation !== undefined && oxygenSaturation < dangerSaturation;
  const reasons = saturation
    ? [`danger zone: oxygen saturation ${oxygenSaturation} % is below ${dangerSaturation} %`]
    : [];
  if (ageMonths === undefined) return reasons;
  const [, heart, breaths] = dangerZones.find(([below]) => ageMonths < below)!;
  if (heartRate !== undefined && heartRate > heart)
    reasons.push(`danger zone: heart rate ${heartRate}/min is above ${heart}/min`);
  if (respiratoryRate !== undefined && respiratoryRate > breaths) {
    reasons.push(`danger zone: respiratory rate ${respiratoryRate}/min is above ${breaths}/min`);
  }
  return reasons;
}

const feverOf = ({ ageMonths, temperature }: Presentation): string[] =>
  ageMonths !== undefined && ageMonths > 0 && ageMonths < 3 && temperature !== undefined && temperature > feverCelsius
    ? [`fever of ${temperature} °C in the first three months of life`]
    : [];

const highFeverOf = ({ ageMonths, temperature }: Presentation): string[] =>
  ageMonths !== undefined &&
  ageMonths >= 3 &&
  ageMonths < 36 &&
  temperature !== undefined &&
  temperature > highFeverCelsius
    ? [`fever of ${temperature} °C from three months to three years of age`]
    : [];

function missingOf(known: Presentation): string[] {
  const asked: [keyof Presentation, string][] = [
    ['resources', 'how many different resources are expected'],
    ['ageMonths', 'age'],
    ['heartRate', 'heart rate'],
    ['respiratoryRate', 'respiratory rate'],
    ['oxygenSaturation', 'oxygen saturation'],
    ['consciousness', 'level of consciousness'],
  ];
  return asked.filter(([name]) => known[name] === undefined).map(([, title]) => title);
}
