// Scheduling, finance, problems, referrals, master files and queries, for the list in ../map.ts.
import type { MessageMap } from '../message-map.ts';
import { siu } from './siu.ts';

export const managementMaps: readonly MessageMap[] = [siu];
