// Why a message on a topic cannot be read: the facts that go with it to the dead letters.

export type UndecodableReason =
  | 'not_ours'
  | 'empty'
  | 'oversized'
  | 'unpackable'
  | 'bad_header'
  | 'bad_value'
  | 'no_schema_registry'
  | 'unknown_schema';

/** A message that no retry makes readable. `reason` is stable, the message is for a person. */
export class UndecodableMessage extends Error {
  override name = 'UndecodableMessage';
  readonly retryable = false;
  readonly reason: UndecodableReason;
  constructor(reason: UndecodableReason, message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}
