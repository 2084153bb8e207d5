// The alerts of a model that are open: raised, and not over.
import { entered } from './entries.ts';
import type { ModelEventData, RecordedModelEvent } from './events.ts';

/** An alert that something may end. One of broken glass never ends: what was done is done. */
export type OpenAlert = Pick<
  ModelEventData<'alert.raised'>,
  'alert' | 'kind' | 'number' | 'detail'
>;

/** Names the alert of a version within its model. */
export const sunsetAlert = (number: number): string => `sunset:${number}`;

/** The open alerts after an event. */
export function evolveAlerts(
  open: Map<string, OpenAlert>,
  event: RecordedModelEvent,
): Map<string, OpenAlert> {
  if (event.type === 'alert.cleared') open.delete(event.data.alert);
  if (event.type !== 'alert.raised' || event.data.kind === 'break_glass') return open;
  const { alert, kind, number, detail } = event.data;
  return entered(open, alert, { alert, kind, number, detail });
}
