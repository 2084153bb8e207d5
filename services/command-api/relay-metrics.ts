// What the relay counts, and how far Kafka is behind the log: asked of the database, so that every process says the same.
import type { RelayLag } from '#infra/postgres/relay-state.ts';
import { Counter, Gauge } from '#infra/telemetry/metrics.ts';
import type { Registry } from '#infra/telemetry/metrics.ts';

export type RelayMetrics = {
  sent: (messages: number) => void;
  leads: (isLeader: boolean) => void;
  /** It refuses to publish until somebody looks: the log's history went back, or the topic is not as it must be. */
  refuses: (isRefusing: boolean) => void;
};

/** @param askLag is asked once a scrape; while it fails, the last lag that was known stands. */
export function relayMetrics(
  registry: Registry,
  askLag: () => Promise<RelayLag>,
  onError: (error: unknown) => void,
): RelayMetrics {
  const registers = [registry];
  const setLag = async () => {
    try {
      const { events, seconds } = await askLag();
      lagEvents.set(events);
      lagSeconds.set(seconds);
    } catch (error) {
      onError(error);
    }
  };
  let asked: Promise<void> | null = null;
  const collectLag = () => (asked ??= setLag().finally(() => (asked = null)));
  const lagEvents: Gauge = new Gauge({
    name: 'modelog_relay_lag_events',
    help: 'Events of the log that are not on the topic yet',
    registers,
    collect: collectLag,
  });
  const lagSeconds: Gauge = new Gauge({
    name: 'modelog_relay_lag_seconds',
    help: 'Age of the oldest event that is not on the topic yet',
    registers,
    collect: collectLag,
  });
  const sent = new Counter({
    name: 'modelog_relay_sent_total',
    help: 'Messages that Kafka has acknowledged',
    registers,
  });
  const leader = new Gauge({
    name: 'modelog_relay_leader',
    help: '1 where this process is the one that publishes',
    registers,
  });
  const refusing = new Gauge({
    name: 'modelog_relay_refusing',
    help: '1 while the relay refuses to publish until somebody looks; its health says why',
    registers,
  });
  return {
    sent: (messages) => sent.inc(messages),
    leads: (isLeader) => leader.set(Number(isLeader)),
    refuses: (isRefusing) => refusing.set(Number(isRefusing)),
  };
}
