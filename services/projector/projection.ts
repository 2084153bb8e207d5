// What a running projection is, and what it tells of itself.
import type { ShownModel } from './answers.ts';
import type { Applied } from './apply.ts';
import type { Serving } from './generations.ts';

export type Projection = {
  readonly state: 'connecting' | 'running' | 'standing by' | 'failing' | 'stopped';
  /** Ends after the running batch. */
  stop: () => Promise<void>;
};

/** Hears of each committed batch. */
export type Observer = {
  /** These tables are written from now on. */
  serving: (serving: Serving) => void;
  /** From here on nobody else writes the views. Not called by a source that shares them. */
  claimed: () => void;
  /** Models as they are now; told before `reached`. */
  changed: (models: readonly ShownModel[]) => void;
  applied: (events: number, durationMs: number, applied: Applied) => void;
  /** Every event up to this position is in the views, or waits parked. Not called by a source that cannot tell. */
  reached: (position: number) => void;
};
