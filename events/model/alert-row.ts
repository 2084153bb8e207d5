// The alerts of a model that are open: raised, and not over.
import type { ModelEventData, RecordedModelEvent } from './events.ts';

/** An alert that something may end. One of broken glass never ends: what was done is done. */
export type OpenAlert = Pick<
  ModelEventData<'alert.raised'>,
  'alert' | 'kind' | 'number' | 'detail'
>;

/** Names the alert of a version within its model. */
export const sunsetAlert = (number: number): string => `sunset:${number}`;

/** Folds an event into the open alerts, in place. */
export function evolveAlerts(open: Map<string, OpenAlert>, event: RecordedModelEvent): void {
  if (event.type === 'alert.cleared') open.delete(event.data.alert);
  if (event.type !== 'alert.raised' || event.data.kind === 'break_glass') return;
  const { alert, kind, number, detail } = event.data;
  open.set(alert, { alert, kind, number, detail });
}
