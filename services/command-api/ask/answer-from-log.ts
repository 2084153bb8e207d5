// The answer of then: the stream folded to the recorded version.
import type { RecordedCommand } from '#events/log.ts';
import type { Streams } from '../streams.ts';
import type { Waiting } from './waiting.ts';

export type AnswerFromLog = (
  waiting: Waiting,
  record: Pick<RecordedCommand, 'stream' | 'stream_version' | 'position' | 'status'>,
  duplicate: boolean,
) => Promise<void>;

export const openAnswerFromLog =
  (streams: Streams): AnswerFromLog =>
  async (waiting, record, duplicate) => {
    const { asked } = waiting;
    try {
      const { state, events } = await streams.foldTo(
        asked.kind,
        record.stream,
        record.stream_version,
      );
      const own = events.filter((event) => event.command_id === asked.command_id);
      waiting.resolve({
        answer: asked.answer(state, own),
        status: record.status,
        stream_version: record.stream_version,
        position: record.position,
        duplicate,
        would_write: asked.dry_run ? [] : null,
      });
    } catch (error) {
      waiting.reject(error as Error);
    }
  };
