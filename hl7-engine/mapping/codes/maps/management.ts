// Referrals, problems, goals, staff and places: HL7 tables of RF1, PRB, GOL, PRA and LOC, which the guide does not map; all ours.
import type { ConceptMapSource } from '../concept-map.ts';

const r4 = 'http://terminology.hl7.org/CodeSystem';

export const managementMaps: Readonly<Record<string, ConceptMapSource>> = {
  ReferralPriority: {
    table: '0280',
    system: 'http://hl7.org/fhir/request-priority',
    codes: '!S=stat !A=asap !R=routine',
  },
  'GoalLifeCycle[Goal.lifecycleStatus]': {
    table: '',
    system: 'http://hl7.org/fhir/goal-status',
    otherwise: 'active',
    codes: `
      !PROPOSED=proposed !PLANNED=planned !ACCEPTED=accepted !ACTIVE=active !A=active !HOLD=on-hold !ON-HOLD=on-hold
      !SUSPENDED=on-hold !COMPLETED=completed !C=completed !ACHIEVED=completed !MET=completed !CANCELLED=cancelled
      !CANCELED=cancelled !DISCONTINUED=cancelled !INACTIVE=cancelled !REJECTED=rejected`,
  },
  'GoalEvaluation[Goal.achievementStatus]': {
    table: '',
    system: `${r4}/goal-achievement`,
    codes: '!ACHIEVED=achieved !MET=achieved !NOT-MET=not-achieved !IMPROVING=improving !WORSENING=worsening',
  },
  'ProblemLifeCycle[Condition.clinicalStatus]': {
    table: '',
    system: `${r4}/condition-clinical`,
    codes: `
      !ACTIVE=active !A=active !RECURRENCE=recurrence !RELAPSE=relapse !REMISSION=remission !INACTIVE=inactive
      !I=inactive !RESOLVED=resolved !R=resolved`,
  },
  'ProblemConfirmation[Condition.verificationStatus]': {
    table: '',
    system: `${r4}/condition-ver-status`,
    codes: `
      !CONFIRMED=confirmed !C=confirmed !UNCONFIRMED=unconfirmed !U=unconfirmed !PROVISIONAL=provisional !P=provisional
      !DIFFERENTIAL=differential !D=differential !REFUTED=refuted !R=refuted`,
  },
  ProblemSeverity: {
    table: '0836',
    system: 'http://snomed.info/sct',
    codes: '!SV=24484000 !MO=6736007 !MI=255604002',
    displays: { '24484000': 'Severe', '6736007': 'Moderate', '255604002': 'Mild' },
  },
  'PathwayLifeCycle[CarePlan.status]': {
    table: '',
    system: 'http://hl7.org/fhir/request-status',
    otherwise: 'active',
    codes: `
      !PROPOSED=draft !PLANNED=draft !ACTIVE=active !A=active !HOLD=on-hold !SUSPENDED=on-hold !COMPLETED=completed
      !C=completed !CANCELLED=revoked !DISCONTINUED=revoked !INACTIVE=revoked`,
  },
  'LocationType[Location.physicalType]': {
    table: '0260',
    system: `${r4}/location-physical-type`,
    codes: '!B=bd !R=ro !N=wa !D=wi !C=ro !L=si !O=ro !E=area !S=si !BUILDING=bu !FLOOR=lvl',
  },
};
