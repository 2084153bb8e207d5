// Reads the figures that the services themselves show at `/metrics` (Prometheus text format).

export type Sample = { labels: Record<string, string>; value: number };

/** Every sample of the metric `name`, in the order of the text; none if it is not there. */
export function samplesOf(text: string, name: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (match?.[1] !== name) continue;
    const labels: Record<string, string> = {};
    for (const [, key, value] of (match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      labels[key!] = value!;
    samples.push({ labels, value: Number(match[3]) });
  }
  return samples;
}

/** How far each reader of the log is behind, as the services say. */
export type Lag = {
  /** By view; empty if the services do not say, which is never taken for zero. */
  projectorSeconds: Record<string, number>;
  projectorEvents: Record<string, number>;
  /** Null where nothing is relayed. */
  relayEvents: number | null;
};

export function lagOf(text: string): Lag {
  const byView = (name: string): Record<string, number> =>
    Object.fromEntries(
      samplesOf(text, name).map((sample) => [sample.labels['view'] ?? 'all', sample.value]),
    );
  return {
    projectorSeconds: byView('modelog_projector_lag_seconds'),
    projectorEvents: byView('modelog_projector_lag_events'),
    relayEvents: samplesOf(text, 'modelog_relay_lag_events')[0]?.value ?? null,
  };
}
