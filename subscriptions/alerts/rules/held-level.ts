// Hysteresis between the levels of a rule.
import type { Finding } from '../seams.ts';
import type { Found } from './happening.ts';
import { rankOf } from './rule.ts';

/** A value between the limit of the alert's level and where that is over: falling and rising around the limit is told once. */
export function atItsLevel(alert: Pick<Finding, 'severity' | 'title' | 'code'>, found: Found): Found {
  const rank = rankOf(alert.severity);
  const isHeld = found.holds !== undefined && rankOf(found.severity) < rank && rank <= rankOf(found.holds);
  if (!isHeld) return found;
  const { code: _lower, ...rest } = found;
  return { ...rest, severity: alert.severity, title: alert.title, ...(alert.code ? { code: alert.code } : {}) };
}
