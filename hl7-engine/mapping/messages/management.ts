// Scheduling, finance, problems, referrals, master files and queries, for the list in ../map.ts.
import type { MessageMap } from '../message-map.ts';
import { acknowledgmentMaps } from './acknowledgment.ts';
import { queryMaps } from './qbp.ts';
import { siu } from './siu.ts';

export const managementMaps: readonly MessageMap[] = [siu, ...queryMaps, ...acknowledgmentMaps];
