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
  columns: {
    deployment_id: ['uuid', (deployment) => deployment.deployment_id],
    tenant: ['text', (deployment) => deployment.tenant],
    model_id: ['uuid', (deployment) => deployment.model_id],
    environment: ['text', (deployment) => deployment.environment],
    status: ['text', (deployment) => deployment.status],
  },
  key: ['tenant', 'deployment_id'],
  rowName: 'deployment_id::text',
  hasModelId: true,
  keptCharactersMax: 8_000_000,
});
