-- The store: one table per resource type and one for its history, all of one shape, with a partitioned parent for
-- work across types; ordered and reference index rows in narrow tables; the change rows.
-- https://hl7.org/fhir/R4/resource.html#Resource

create table resource_type (
  code smallint primary key,
  name text not null unique
);

-- Gives rid (of a new resource) and seq (of each change).
create sequence resource_seq;

create table resource (
  rid bigint not null,           -- internal number; stays the same over all versions
  key bigint not null,           -- 64-bit hash of 'Type/id': what reference rows point at
  seq bigint not null,           -- number of the latest change
  updated timestamptz not null,  -- meta.lastUpdated
  version integer not null,      -- meta.versionId
  type smallint not null,
  id text collate "C" not null,
  tokens bigint[] not null,      -- 64-bit hashes of token, uri and reference values
  body text not null             -- the finished JSON text
) partition by list (type);
alter table resource alter column body set compression lz4;

-- Former versions, and the tombstones of deleted resources (body is null).
create table resource_history (
  seq bigint not null,
  updated timestamptz not null,
  version integer not null,
  type smallint not null,
  op "char" not null,            -- c created, u updated, d deleted
  id text collate "C" not null,
  body text
) partition by list (type);
alter table resource_history alter column body set compression lz4;

do $$
declare
  name text;
  code smallint := 0;
  names text[] := array[
    'Account', 'ActivityDefinition', 'AdverseEvent', 'AllergyIntolerance', 'Appointment',
    'AppointmentResponse', 'AuditEvent', 'Basic', 'Binary', 'BiologicallyDerivedProduct', 'BodyStructure',
    'Bundle', 'CapabilityStatement', 'CarePlan', 'CareTeam', 'CatalogEntry', 'ChargeItem',
    'ChargeItemDefinition', 'Claim', 'ClaimResponse', 'ClinicalImpression', 'CodeSystem', 'Communication',
    'CommunicationRequest', 'CompartmentDefinition', 'Composition', 'ConceptMap', 'Condition', 'Consent',
    'Contract', 'Coverage', 'CoverageEligibilityRequest', 'CoverageEligibilityResponse', 'DetectedIssue',
    'Device', 'DeviceDefinition', 'DeviceMetric', 'DeviceRequest', 'DeviceUseStatement',
    'DiagnosticReport', 'DocumentManifest', 'DocumentReference', 'EffectEvidenceSynthesis', 'Encounter',
    'Endpoint', 'EnrollmentRequest', 'EnrollmentResponse', 'EpisodeOfCare', 'EventDefinition', 'Evidence',
    'EvidenceVariable', 'ExampleScenario', 'ExplanationOfBenefit', 'FamilyMemberHistory', 'Flag', 'Goal',
    'GraphDefinition', 'Group', 'GuidanceResponse', 'HealthcareService', 'ImagingStudy', 'Immunization',
    'ImmunizationEvaluation', 'ImmunizationRecommendation', 'ImplementationGuide', 'InsurancePlan',
    'Invoice', 'Library', 'Linkage', 'List', 'Location', 'Measure', 'MeasureReport', 'Media', 'Medication',
    'MedicationAdministration', 'MedicationDispense', 'MedicationKnowledge', 'MedicationRequest',
    'MedicationStatement', 'MedicinalProduct', 'MedicinalProductAuthorization',
    'MedicinalProductContraindication', 'MedicinalProductIndication', 'MedicinalProductIngredient',
    'MedicinalProductInteraction', 'MedicinalProductManufactured', 'MedicinalProductPackaged',
    'MedicinalProductPharmaceutical', 'MedicinalProductUndesirableEffect', 'MessageDefinition',
    'MessageHeader', 'MolecularSequence', 'NamingSystem', 'NutritionOrder', 'Observation',
    'ObservationDefinition', 'OperationDefinition', 'OperationOutcome', 'Organization',
    'OrganizationAffiliation', 'Parameters', 'Patient', 'PaymentNotice', 'PaymentReconciliation', 'Person',
    'PlanDefinition', 'Practitioner', 'PractitionerRole', 'Procedure', 'Provenance', 'Questionnaire',
    'QuestionnaireResponse', 'RelatedPerson', 'RequestGroup', 'ResearchDefinition',
    'ResearchElementDefinition', 'ResearchStudy', 'ResearchSubject', 'RiskAssessment',
    'RiskEvidenceSynthesis', 'Schedule', 'SearchParameter', 'ServiceRequest', 'Slot', 'Specimen',
    'SpecimenDefinition', 'StructureDefinition', 'StructureMap', 'Subscription',
    'Substance', 'SubstanceNucleicAcid', 'SubstancePolymer', 'SubstanceProtein',
    'SubstanceReferenceInformation', 'SubstanceSourceMaterial', 'SubstanceSpecification', 'SupplyDelivery',
    'SupplyRequest', 'Task', 'TerminologyCapabilities', 'TestReport', 'TestScript', 'ValueSet',
    'VerificationResult', 'VisionPrescription'
  ];
begin
  foreach name in array names loop
    code := code + 1;
    insert into resource_type values (code, name);
    execute format('create table %I partition of resource for values in (%s)', 'r_' || lower(name), code);
    execute format('alter table %I add primary key (rid)', 'r_' || lower(name));
    execute format('create unique index on %I (id)', 'r_' || lower(name));
    execute format('create index on %I (updated, seq)', 'r_' || lower(name));
    -- Every search reads the pending list: 4 MB of it made a look-up by identifier 3 ms; merged at 128 kB it is 0.1 ms.
    execute format('create index on %I using gin (tokens) with (gin_pending_list_limit = 128)', 'r_' || lower(name));
    execute format('create table %I partition of resource_history for values in (%s)', 'h_' || lower(name), code);
    execute format('create unique index on %I (id, version)', 'h_' || lower(name));
    execute format('create index on %I (updated, seq)', 'h_' || lower(name));
  end loop;
end
$$;

-- Index rows. param is SearchParam.key, which tells type and parameter. Instants are milliseconds since 1970 UTC.
create table index_date (
  rid bigint not null,
  lo bigint not null,
  hi bigint not null,
  param integer not null
);
create index on index_date (param, lo, rid);
create index on index_date (rid);

create table index_number (
  rid bigint not null,
  param integer not null,
  value numeric not null
);
create index on index_number (param, value, rid);
create index on index_number (rid);

create table index_quantity (
  rid bigint not null,
  code bigint not null,          -- hash of the unit's code, or of the unit when it has no code
  system_code bigint not null,   -- hash of system|code
  param integer not null,
  low numeric,                   -- null: open
  high numeric
);
create index on index_quantity (param, low, rid);
create index on index_quantity (rid);

create table index_string (
  rid bigint not null,
  param integer not null,
  value text collate "C" not null,  -- folded: lower case, no accents
  exact text collate "C"            -- as written where folding changed it, for :exact
);
create index on index_string (param, left(value, 100), rid); -- a B-tree entry holds 2,704 bytes at most
create index on index_string (rid);

create table index_reference (
  rid bigint not null,
  target bigint not null,        -- key of the resource referred to
  param integer not null
);
create index on index_reference (param, target, rid);
create index on index_reference (rid);

-- One row a committed change, written by the change's own transaction: (xid, seq) is the order of the feed.
create table change (
  xid xid8 not null default pg_current_xact_id(),
  seq bigint not null,
  updated timestamptz not null,
  version integer not null,
  type smallint not null,
  op "char" not null,
  id text collate "C" not null,
  primary key (xid, seq)
);
