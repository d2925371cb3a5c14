import assert from 'node:assert/strict';
import test from 'node:test';
import type { AdminRoute } from './http.ts';
import { openApi, openApiRoute } from './openapi.ts';

const handle: AdminRoute['handle'] = async () => ({ status: 200 });

const routes: AdminRoute[] = [
  {
    method: 'GET',
    path: '/admin/hl7/messages/:id',
    summary: 'One message',
    parameters: [
      { name: 'format', in: 'query', description: 'How', schema: { type: 'string' }, example: 'er7' },
      { name: 'id', in: 'path', description: 'Its number', schema: { type: 'integer' } },
    ],
    response: { schema: { type: 'object' }, example: { id: '1' } },
    handle,
  },
  {
    method: 'POST',
    path: '/admin/hl7/messages/:id',
    summary: 'Does something',
    request: { schema: { type: 'object', required: ['author'] }, example: { author: 'kim' } },
    statuses: [202, 204],
    handle,
  },
];

interface Operation {
  operationId: string;
  parameters: { name: string; in: string; required?: boolean }[];
  requestBody?: { required: boolean; content: Record<string, { schema: unknown; example: unknown }> };
  responses: Record<string, { content: Record<string, { schema: unknown; example?: unknown }> }>;
}

type Document = { openapi: string; info: { description: string }; paths: Record<string, Record<string, Operation>> };

test('routes of one path are operations of one item, with parameters, bodies and examples', () => {
  const { openapi, info, paths } = openApi(routes) as unknown as Document;
  assert.equal(openapi, '3.1.0');
  // Where FHIR is, BASE_URL says.
  assert.doesNotMatch(info.description, /fhir\/R4/);
  assert.deepEqual(Object.keys(paths), ['/admin/hl7/messages/{id}']);
  const { get, post } = paths['/admin/hl7/messages/{id}']!;
  assert.equal(get!.operationId, 'getAdminHl7MessagesById');
  assert.deepEqual(
    get!.parameters.map(({ name, in: where, required }) => [name, where, required]),
    [
      ['format', 'query', undefined],
      ['id', 'path', true],
    ],
  );
  assert.deepEqual(get!.responses['200']!.content['application/json'], {
    schema: { type: 'object' },
    example: { id: '1' },
  });
  assert.deepEqual(
    [Object.keys(get!.responses), Object.keys(post!.responses)],
    [
      ['200', 'default'],
      ['202', '204', 'default'],
    ],
  );
  assert.deepEqual(post!.responses['204'], { description: 'It is done' });
  // A parameter of the path is there although the route does not tell of it.
  assert.deepEqual(
    post!.parameters.map(({ name, in: where, required }) => [name, where, required]),
    [['id', 'path', true]],
  );
  assert.deepEqual(post!.requestBody, {
    required: true,
    content: { 'application/json': { schema: { type: 'object', required: ['author'] }, example: { author: 'kim' } } },
  });
  assert.ok(post!.responses.default);
});

test('the route of the document tells of itself too', async () => {
  const route = openApiRoute(routes);
  const { body } = await route.handle({ params: {}, query: new URLSearchParams(), body: Buffer.alloc(0) });
  assert.deepEqual(Object.keys((body as Document).paths), ['/admin/hl7/messages/{id}', '/admin/openapi.json']);
});
