// What has to be there before the lines run: the same patients and Observations in both servers, and devices in ours.
import pg from 'pg';
import type { Connection } from '#platform';
import { createRandom } from './data/random.ts';
import { fhirPath } from './data/requests.ts';
import {
  device,
  deviceCount,
  observation,
  observationId,
  patient,
  patientCount,
  patientId,
  patientIdentifier,
  seededObservationCount,
} from './data/resources.ts';
import { indexesSql, tablesSql } from './naked/database.ts';

type Seeded = Record<string, unknown> & { id: string };

const entriesPerBundle = 250;
const patientsOf = (): Seeded[] => {
  const random = createRandom(1);
  return Array.from({ length: patientCount }, (_, n) => ({
    ...patient(random, patientIdentifier(n)),
    id: patientId(n),
  }));
};

const observationsOf = (): Seeded[] => {
  const random = createRandom(2);
  return Array.from({ length: seededObservationCount }, (_, n) => {
    const subject = `Patient/${patientId(random.below(patientCount))}`;
    return { ...observation({ random, identifier: `SEED-${n}`, subject }), id: observationId(n) };
  });
};

const devicesOf = (): Seeded[] => Array.from({ length: deviceCount }, (_, n) => device(n) as Seeded);

async function put(port: number, resources: Seeded[]): Promise<void> {
  const entry = resources.map((resource) => ({
    resource,
    request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
  }));
  const answer = await fetch(`http://127.0.0.1:${port}${fhirPath}`, {
    method: 'POST',
    headers: { 'content-type': 'application/fhir+json', prefer: 'return=minimal' },
    body: JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`seeding failed: ${answer.status} ${text.slice(0, 500)}`);
}

async function putAll(port: number, resources: Seeded[]): Promise<void> {
  for (let at = 0; at < resources.length; at += entriesPerBundle) {
    await put(port, resources.slice(at, at + entriesPerBundle));
  }
}

async function seedNaked(client: pg.Client, patients: Seeded[], observations: Seeded[]): Promise<void> {
  await client.query(tablesSql);
  const text = (values: unknown[]): string[] => values.map((value) => JSON.stringify(value));
  await client.query('insert into naked_patient select * from unnest($1::text[], $2::text[], $3::text[])', [
    patients.map(({ id }) => id),
    patients.map((_, n) => patientIdentifier(n)),
    text(patients),
  ]);
  const fields = observations as unknown as {
    subject: { reference: string };
    code: { coding: { code: string }[] };
    effectiveDateTime: string;
  }[];
  await client.query(
    `insert into naked_observation
     select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[])`,
    [
      observations.map(({ id }) => id),
      fields.map(({ subject }) => subject.reference.slice('Patient/'.length)),
      fields.map(({ code }) => code.coding[0]!.code),
      fields.map(({ effectiveDateTime }) => effectiveDateTime),
      text(observations),
    ],
  );
  await client.query(indexesSql);
}

/** `port`: ours. Ends with `vacuum analyze`, as autovacuum would do it a little later. Yields PostgreSQL's version. */
export async function seed(connection: Connection, port: number, needs: Set<string | undefined>): Promise<string> {
  const patients = patientsOf();
  const observations = needs.has('observations') ? observationsOf() : [];
  await putAll(port, patients);
  await putAll(port, observations);
  if (needs.has('devices')) await putAll(port, devicesOf());
  const client = new pg.Client({ ...connection, password: connection.password ?? '' });
  await client.connect();
  try {
    await seedNaked(client, patients, observations);
    await client.query('vacuum analyze');
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    return rows[0]!.server_version;
  } finally {
    await client.end();
  }
}
