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
    insert into views.deployments_gN as d (deployment_id, tenant, model_id, environment, status, state)
    select * from rows from (
      json_to_recordset($1) as (deployment_id uuid, tenant text, model_id uuid, environment text, status text),
      string_to_table($2, E'\\x1e'))
    on conflict (tenant, deployment_id) do update set status = excluded.status, state = excluded.state`,
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
