// Named places where a test can kill the process, throw or wait; in production every one of them does nothing.
import fs from 'node:fs';

/** The places of the reliability plan that exist so far. */
const failpoints = [
  'log:after-append',
  'log:after-commit',
  'relay:after-read',
  'relay:after-send',
  'projector:after-apply',
  'projector:after-commit',
  'retention:after-decision',
] as const;
export type FailpointName = (typeof failpoints)[number];

/** Passes a place. */
export type Failpoint = (name: FailpointName) => Promise<void> | void;

/**
 * Reads `MODELOG_FAILPOINT`, as `<name>=<kill | throw | wait:<ms>>[@<nth passage>]`; without it, every place is passed.
 * Firing leaves a line in the file that `MODELOG_FAILPOINT_PROOF` names, so that a test can tell that it fired.
 * @throws for an unknown place or action: a test with a typing error must not pass.
 */
export function failpointsFrom(environment: NodeJS.ProcessEnv): Failpoint {
  const setting = environment['MODELOG_FAILPOINT'];
  if (setting === undefined || setting === '') return () => undefined;
  const match = /^(?<name>[a-z:-]+)=(?<action>kill|throw|wait:(?<ms>\d+))(?:@(?<nth>\d+))?$/.exec(
    setting,
  );
  const name = match?.groups?.['name'];
  if (match === null || !failpoints.some((known) => known === name))
    throw new Error(
      `MODELOG_FAILPOINT is not understood: "${setting}"; places: ${failpoints.join(', ')}`,
    );
  const { action, ms, nth } = match.groups as { action: string; ms?: string; nth?: string };
  const proof = environment['MODELOG_FAILPOINT_PROOF'];
  let passages = 0;
  return (passed) => {
    if (passed !== name || ++passages !== Number(nth ?? 1)) return;
    if (proof !== undefined) fs.appendFileSync(proof, `${name} fired\n`);
    if (action === 'kill') process.kill(process.pid, 'SIGKILL');
    if (action === 'throw') throw new Error(`failpoint ${name}`);
    return new Promise((resolve) => setTimeout(resolve, Number(ms ?? 0)));
  };
}
