// Who sends, where nothing says otherwise.
import type { BuildTarget } from './building.ts';

export interface SenderConfig {
  /** MSH-3 and MSH-4; default CEREBRA. */
  sendingApplication?: string;
  sendingFacility?: string;
  /** Assigning authority (namespace id or object identifier) -> Identifier.system. */
  identifierSystems?: Readonly<Record<string, string>>;
}

export function buildTarget(config: SenderConfig): BuildTarget {
  return {
    version: '2.5.1',
    sendingApplication: config.sendingApplication ?? 'CEREBRA',
    sendingFacility: config.sendingFacility ?? 'CEREBRA',
    processingId: 'P',
    identifierSystems: config.identifierSystems ?? {},
    codingSystems: {},
  };
}
