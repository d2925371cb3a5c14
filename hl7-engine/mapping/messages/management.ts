// Scheduling, finance, problems, referrals, master files and queries, for the list in ../map.ts.
import type { MessageMap } from '../message-map.ts';
import { acknowledgmentMaps } from './acknowledgment.ts';
import { accountMaps } from './bar.ts';
import { dft } from './dft.ts';
import { masterFileMaps } from './mfn.ts';
import { careMaps } from './ppr.ts';
import { queryMaps } from './qbp.ts';
import { ref, rri } from './ref.ts';
import { siu } from './siu.ts';

export const managementMaps: readonly MessageMap[] = [
  siu,
  dft,
  ref,
  rri,
  ...careMaps,
  ...masterFileMaps,
  ...accountMaps,
  ...queryMaps,
  ...acknowledgmentMaps,
];
