// A17 swaps two patients' places, A20 tells the state of a bed: HL7 v2.9 chapter 3.3.17 and 3.3.20;
// https://hl7.org/fhir/uv/v2mappings/ (ADT_A17)
import { locationReference } from '../administration/location.ts';
import { messageMap, required } from '../message-map.ts';
import { mapPatient, mapVisit } from './adt.ts';

const swap = messageMap({
  structures: ['ADT_A17'],
  events: ['A17'],
  reads: 'EVN PID PD1 PV1 PV2 DB1 OBX NTE PRT ARV'.split(' '),
  run(mapping, root) {
    const groups = root.groups('PATIENT');
    required(groups[1], 'PID');
    for (const group of groups) {
      const patient = mapPatient(mapping, group);
      mapVisit(mapping, group, required(group.get('PID'), 'PID'), patient);
    }
  },
});

const beds = messageMap({
  structures: ['ADT_A20'],
  events: ['A20'],
  reads: ['EVN', 'NPU'],
  run(mapping, root) {
    required(root.get('NPU'), 'NPU');
    for (const npu of root.all('NPU')) locationReference(mapping, npu.field(1), npu.field(2));
  },
});

export const placeMaps = [swap, beds];
