// Releases that several people have a hand in, asked of any process of the command API.
import { expect } from 'vitest';
import type { Answer, Api } from './api.ts';

/** A key for each subject, with its role in the whole tenant. */
export async function keysOf<Subject extends string>(
  api: Api,
  people: Record<Subject, string>,
): Promise<Record<Subject, string>> {
  const keys: [string, string][] = [];
  for (const [subject, role] of Object.entries(people)) {
    const { status, body } = await api.post('/api-keys', { subject, role });
    expect(status).toBe(201);
    keys.push([subject, String(body['secret'])]);
  }
  return Object.fromEntries(keys) as Record<Subject, string>;
}

/** A model with versions that are known by their bytes, all made under this key; returns its id. */
export async function modelOf(
  api: Api,
  name: string,
  versions: number,
  key?: string,
): Promise<string> {
  const by = key === undefined ? {} : { key };
  const { body } = await done(api.post('/models', { name }, by));
  for (let number = 1; number <= versions; number++) {
    const content_digest = { sha256: String(number).repeat(64) };
    await done(api.post(`/models/${name}/versions`, { content_digest }, by));
  }
  return String(body['id']);
}

/** A request to promote version 1, by its producer, that so many others must agree to; returns its id. */
export async function requestOf(
  api: Api,
  key: string,
  name: string,
  required: number,
): Promise<string> {
  const id = await modelOf(api, name, 1, key);
  const approvals = { required, role: 'approver', expires_after_hours: 24 };
  await done(api.put(`/policies/model:${id}`, { approvals }));
  const path = `/models/${name}/versions/1/promotion-requests`;
  const { body } = await done(api.post(path, { to_stage: 'production' }, { key }));
  return String(body['id']);
}

export const decide = (
  api: Api,
  key: string,
  request: string,
  decision: 'approve' | 'reject',
): Promise<Answer> => api.post(`/promotion-requests/${request}/decision`, { decision }, { key });

export async function done(asking: Promise<Answer>): Promise<Answer> {
  const answer = await asking;
  expect([200, 201], answer.text).toContain(answer.status);
  return answer;
}
