// How every route is called about one thing: its path, and bodies of which each write takes one.

/** The ids of one model and of all that belongs to it, by the noun that stands before them in a path. */
export type Thing = Record<string, string>;

/** Bodies of which each write takes one, so that it comes to look for what it is about. */
export const bodies = (thing: Thing): (object | undefined)[] => [
  undefined,
  {},
  { reason: 'because' },
  { description: 'mine now' },
  { name: 'mine-now' },
  { allow_skip: false },
  { to_stage: 'staging', reason: 'because' },
  { to_stage: 'production', reason: 'because' },
  { version: 1 },
  { environment: 'eu' },
  { status: 'failed' },
  { status: 'inactive' },
  { traffic_percent: 50 },
  { decision: 'approve', reason: 'because' },
  { decision: 'approved', reason: 'because' },
  { version_id: thing['versions'], provider: 'p', provider_model_id: 'm' },
  { model_name: thing['name'], version: 1, deployment_target: 'eu', deployed_by: 'me' },
  { model_name: thing['name'], version: 1, new_stage: 'staging', description: 'because' },
  { model_name: thing['name'], keep: 1 },
  { model_name: thing['name'] },
  { model_id: thing['model'], retention_count: 1 },
  { model_id: thing['model'], label: '9.9.9' },
  { model_id: thing['model'], version: '9.9.9' },
];

/** The path of a route about a thing; null where nothing in it names anything. */
export function pathOf(url: string, thing: Thing, model: string): string {
  return url
    .replace('/api/v1', '')
    .replace(
      /\/([a-z-]+)\/:id\b/,
      (_, noun: string) => `/${noun}/${thing[noun] ?? thing['model']!}`,
    )
    .replace(':model', model)
    .replace(':name', thing['name']!)
    .replace(':version', '1')
    .replace(/:(?!scope\b)\w+/g, 'x')
    .replace(':scope', `model:${thing['model']!}`)
    .replace('*', 'x')
    .replace(/\/compare$/, '/compare?versions=1,2');
}
