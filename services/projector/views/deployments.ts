// The view of deployments: each as it is now.
import { evolveDeployment, touchedDeployment } from '#events/model/deployment-row.ts';
import type { Deployment } from '#events/model/deployment-row.ts';
import { defineView, forEveryModelEvent, tenantEventsUntouched } from './view.ts';

export const deployments = defineView<Deployment>({
  name: 'deployments',
  version: 2,
  handlers: {
    ...tenantEventsUntouched,
    ...forEveryModelEvent((event) => {
      const deploymentId = touchedDeployment(event);
      if (deploymentId === null) return [];
      return [
        {
          key: `${event.tenant}/${deploymentId}`,
          isNew: event.type === 'deployment.requested',
          next: (row) => evolveDeployment(row, event),
        },
      ];
    }),
  },
  load: `
    select k.key, d.state from unnest($1::text[]) k(key),
      lateral (select state from views.deployments_gN
               where tenant = split_part(k.key, '/', 1) and deployment_id = split_part(k.key, '/', 2)::uuid limit 1) d`,
  write: `
    merge into views.deployments_gN as d
    using rows from (
      string_to_table($2, E'\\x1e'),
      json_to_recordset($1) as (deployment_id uuid, tenant text, model_id uuid, environment text, status text)) as r (state)
    on d.tenant = r.tenant and d.deployment_id = r.deployment_id
    when matched then update set status = r.status, state = r.state
    when not matched then
      insert (deployment_id, tenant, model_id, environment, status, state)
      values (r.deployment_id, r.tenant, r.model_id, r.environment, r.status, r.state)`,
  columns: ({ deployment_id, tenant, model_id, environment, status }) => ({
    deployment_id,
    tenant,
    model_id,
    environment,
    status,
  }),
  rowName: 'deployment_id::text',
  hasModelId: true,
  keptCharactersMax: 8_000_000,
});
