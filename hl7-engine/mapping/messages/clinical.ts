// The families of clinical messages: orders, results, documents, pharmacy, vaccination
import type { MessageMap } from '../message-map.ts';
import { mdm } from './mdm.ts';
import { orderMaps } from './orders.ts';
import { oru, oul } from './oru.ts';
import { pharmacyMaps } from './pharmacy.ts';
import { vxu } from './vxu.ts';

export const clinicalMaps: readonly MessageMap[] = [oru, oul, ...orderMaps, ...pharmacyMaps, mdm, vxu];
