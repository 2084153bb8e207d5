// What happened to a model, as the log tells it to its readers.
import type { RecordedModelEvent } from '#events/model/events.ts';
import type { Api } from './api.ts';
import { done } from './releases.ts';

export async function eventsOf(api: Api, model: string): Promise<RecordedModelEvent[]> {
  const { body } = await done(api.get(`/events?model=${model}&limit=1000`));
  return body['items'] as unknown as RecordedModelEvent[];
}

export const typesOf = async (api: Api, model: string): Promise<string[]> =>
  (await eventsOf(api, model)).map(({ type }) => type);
