// Provider bindings: which vendor's model implements a version, and whether it may be called.
import type { Decision } from '../decider.ts';
import type { BindingStatus } from './binding-events.ts';
import type { Binding } from './binding-row.ts';
import type { BindingPatch, Common, ModelCommand, ModelRefusal } from './commands.ts';
import type { ModelEvent, ModelEventData } from './events.ts';
import { bindingResource } from './resource.ts';
import { sameJson } from './same-json.ts';
import { otherThanStored } from './stated.ts';
import type { ModelState } from './state.ts';
import type { Version } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;
type CommandOf<T extends ModelCommand['type']> = Extract<ModelCommand, { type: T }>;

/** A reporter's clock may be so far ahead of ours; a use beyond it would keep a version for as long as it is mistaken. */
const clockSkewMsMax = 5 * 60 * 1_000;

const statusFrom: Record<BindingStatus, readonly BindingStatus[]> = {
  inactive: ['active'],
  active: ['inactive', 'deprecated'],
  deprecated: ['inactive'],
};

const bindingRef = (binding: Binding) => ({
  binding_id: binding.binding_id,
  model_id: binding.model_id,
  version_id: binding.version_id,
  number: binding.number,
  label: binding.label,
});

const retired = ({ facts, stage }: Version): Outcome => ({
  refusal: { code: 'version_retired', number: facts.number, stage, wanted: 'binding' },
});

/** Why a version's binding may not be active, or null. */
function againstActivation(
  state: ModelState,
  version: Version,
  { in_force }: Common,
): Outcome | null {
  const { stage, facts } = version;
  if (version.deleted_at !== null)
    return { refusal: { code: 'version_not_found', version: String(facts.number) } };
  if (stage === 'archived' || stage === 'deprecated') return retired(version);
  if (state.model!.state === 'inactive')
    return { refusal: { code: 'model_inactive', state: state.model!.state } };
  if (in_force.policy.protected_pointers.includes('bindings') && stage !== 'production')
    return {
      refusal: { code: 'pointer_protected', pointer: 'bindings', number: facts.number, stage },
    };
  return null;
}

function againstUse(lastUsedAt: string | null | undefined, { at }: Common): Outcome | null {
  if (lastUsedAt === null || lastUsedAt === undefined) return null;
  if (Date.parse(lastUsedAt) <= Date.parse(at) + clockSkewMsMax) return null;
  return { refusal: { code: 'time_in_future', field: 'last_used_at', value: lastUsedAt } };
}

export function createBinding(
  state: ModelState,
  version: Version,
  command: CommandOf<'CreateBinding'>,
): Outcome {
  const { binding, binding_id } = command;
  const { model_id, version_id, number, label } = version.facts;
  if (version.stage === 'archived' || version.stage === 'deprecated') return retired(version);
  const against =
    againstUse(binding.last_used_at, command) ??
    (binding.status === 'active' ? againstActivation(state, version, command) : null);
  if (against !== null) return against;
  return {
    events: [
      {
        type: 'binding.created',
        data: { binding_id, model_id, version_id, number, label, ...binding },
      },
    ],
  };
}

/** The changed fields, then the status, in one append. */
export function updateBinding(
  state: ModelState,
  binding: Binding,
  command: CommandOf<'UpdateBinding'>,
): Outcome {
  const { status = binding.status, ...fields } = command.patch;
  const { serial } = state.versions.get(binding.number)!.facts;
  const immutable = otherThanStored(command.stated ?? {}, bindingResource(binding, state.model!), {
    model_id: state.model!.serial,
    version_id: serial,
  });
  if (immutable.length > 0) return { refusal: { code: 'immutable', fields: immutable } };
  const againstFields = againstUse(fields.last_used_at, command);
  if (againstFields !== null) return againstFields;
  const { changed, previous } = changesOf(binding, fields);
  const events: ModelEvent[] = [];
  if (Object.keys(changed).length > 0)
    events.push({
      type: 'binding.updated',
      data: { ...bindingRef(binding), provider: binding.provider, changed, previous },
    });
  if (status === binding.status) return { events };
  if (!statusFrom[binding.status].includes(status))
    return {
      refusal: {
        code: 'illegal_transition',
        axis: 'binding',
        from: binding.status,
        to: status,
        legal_transitions: statusFrom[binding.status],
      },
    };
  if (status === 'active') {
    const against = againstActivation(state, state.versions.get(binding.number)!, command);
    if (against !== null) return against;
  }
  const provider = fields.provider ?? binding.provider;
  events.push({
    type: movedTo[status],
    data: {
      ...bindingRef(binding),
      provider,
      from_status: binding.status,
      reason: command.reason,
    },
  });
  return { events };
}

const movedTo = {
  active: 'binding.activated',
  inactive: 'binding.deactivated',
  deprecated: 'binding.deprecated',
} as const satisfies Record<BindingStatus, string>;

function changesOf(
  binding: Binding,
  fields: Omit<BindingPatch, 'status'>,
): Pick<ModelEventData<'binding.updated'>, 'changed' | 'previous'> {
  const changed: ModelEventData<'binding.updated'>['changed'] = {};
  const previous: ModelEventData<'binding.updated'>['previous'] = {};
  for (const [field, value] of Object.entries(fields)) {
    const before = binding[field as keyof typeof fields];
    if (value === undefined || sameJson(before, value)) continue;
    changed[field] = value;
    previous[field] = before;
  }
  return { changed, previous };
}

export function removeBinding(binding: Binding, { reason }: Common): Outcome {
  if (binding.removed_at !== null) return { events: [] };
  const { provider, status } = binding;
  const moved = { ...bindingRef(binding), provider, reason };
  if (status !== 'active')
    return { events: [{ type: 'binding.removed', data: { ...moved, from_status: status } }] };
  return {
    events: [
      { type: 'binding.deactivated', data: { ...moved, from_status: 'active' } },
      { type: 'binding.removed', data: { ...moved, from_status: 'inactive' } },
    ],
  };
}
