// A model's whole stream from the log, folded by the rules.
import type { EventLog } from '#events/log.ts';
import { modelDecider } from '#events/model/decide.ts';
import type { RecordedModelEvent } from '#events/model/events.ts';
import type { ModelState } from '#events/model/state.ts';
import { upcast } from '#events/upcasters.ts';

export async function fold(log: Pick<EventLog, 'readStream'>, stream: string): Promise<ModelState> {
  const state = modelDecider.initial();
  for (const event of await log.readStream(stream, 0))
    modelDecider.evolve(state, upcast(event) as RecordedModelEvent);
  return state;
}
