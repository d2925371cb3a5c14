// Every map of patient administration.
import type { MessageMap } from '../message-map.ts';
import { adtClassChange, adtPerson, adtReactions, adtVisit } from './adt.ts';
import { mergeMaps } from './adt-merge.ts';
import { placeMaps } from './adt-places.ts';

export const admissionMaps: readonly MessageMap[] = [
  ...[adtVisit, adtClassChange, adtPerson, adtReactions],
  ...mergeMaps,
  ...placeMaps,
];
