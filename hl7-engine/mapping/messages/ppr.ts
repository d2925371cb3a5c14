// Patient care: problems PPR^PC1 to PC3, goals PGL^PC6 to PC8, pathways PPP^PCB to PCD: HL7 v2.9 chapter 12.3
import { addCareOrders, addGoal, addPathway, addProblem, type Cared } from '../care/plan.ts';
import type { Mapping } from '../context.ts';
import { findOrCreateEncounter } from '../encounter.ts';
import { familyOf, type MessageMap, required } from '../message-map.ts';
import { findOrCreatePatient } from '../patient.ts';
import type { Group } from '../structure/group.ts';

const reads = 'PID PD1 PV1 PV2 PRB GOL PTH VAR ROL PRT NTE OBX ORC TQ1 OBR RXO RXE RXR RXC'.split(' ');

export const careMaps: readonly MessageMap[] = familyOf(
  { reads, run: mapCare },
  { PPR_PC1: ['PC1', 'PC2', 'PC3'], PGL_PC6: ['PC6', 'PC7', 'PC8'], PPP_PCB: ['PCB', 'PCC', 'PCD'] },
);

/** Throws Refusal AE without PID or a patient's identifier. */
function mapCare(mapping: Mapping, root: Group): void {
  const person = root.groups('PATIENT')[0];
  const pid = required(person?.get('PID'), 'PID');
  const patient = findOrCreatePatient(mapping, { pid, pd1: person!.get('PD1'), nk1: [] });
  const visit = person!.groups('PATIENT_VISIT')[0];
  const pv1 = visit?.get('PV1');
  const encounter = pv1 && findOrCreateEncounter(mapping, { pid, pv1, pv2: visit!.get('PV2') }, patient);
  addWithin(mapping, root, { patient, encounter }, { problems: [], goals: [] });
}

interface Around {
  problems: readonly string[];
  goals: readonly string[];
}

/** What stands in a problem is for it, what stands in a goal is for that, and a pathway is of all that is in it and around it. */
function addWithin(mapping: Mapping, group: Group, cared: Cared, around: Around): Around & { orders: string[] } {
  const all = {
    problems: [...around.problems],
    goals: [...around.goals],
    orders: addCareOrders(mapping, group, cared),
  };
  const take = (found: Around & { orders: string[] }): void => {
    all.problems = [...new Set([...all.problems, ...found.problems])];
    all.goals = [...new Set([...all.goals, ...found.goals])];
    all.orders.push(...found.orders);
  };
  const named = (name: string): Group[] => group.children.filter((child) => child.name === name);
  for (const problem of named('PROBLEM')) {
    const reference = addProblem(mapping, problem, cared);
    take(addWithin(mapping, problem, cared, { ...around, problems: reference === undefined ? [] : [reference] }));
  }
  for (const goal of named('GOAL')) {
    const reference = addGoal(mapping, goal, cared, around.problems);
    take(addWithin(mapping, goal, cared, { ...around, goals: reference === undefined ? [] : [reference] }));
  }
  for (const pathway of named('PATHWAY')) {
    const within = addWithin(mapping, pathway, cared, around);
    take(within);
    addPathway(mapping, pathway, cared, {
      problems: [...new Set([...all.problems, ...within.problems])],
      goals: [...new Set([...all.goals, ...within.goals])],
      orders: [...new Set(all.orders)],
    });
  }
  return all;
}
