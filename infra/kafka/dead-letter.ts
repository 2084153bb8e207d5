// A message that could not be taken, as it goes to the dead letters: untouched, with where it lay and why.
import type { OutgoingMessage, ReceivedMessage, TopicPartition } from './port.ts';
import { messageBytesMax } from './topics.ts';

/** A stack or a whole body in a reason would make the letter larger than its topic takes. */
const explanationCharactersMax = 1_000;
/** Of a header's name, and of what is said of all that was dropped. */
const nameCharactersMax = 100;
const droppedCharactersMax = 1_000;
/** The lengths before a header's name and its value, at most. */
const headerLengthsBytes = 10;

/**
 * What is too large for the topic, as a compressed message may be, is too large for its dead letters: they say how large it was,
 * and where it lies.
 * @param reason a stable code, such as `UndecodableMessage.reason` or a refusal's
 * @param explanation for a person
 */
export function deadLetterOf(
  message: ReceivedMessage,
  { topic, partition }: TopicPartition,
  reason: string,
  explanation: string,
): OutgoingMessage {
  const { key, value, headers, dropped } = carriable(message);
  return {
    key,
    value,
    headers: {
      ...headers,
      ...(dropped.length > 0 && {
        dlq_dropped: dropped.join(', ').slice(0, droppedCharactersMax),
      }),
      dlq_reason: reason,
      dlq_explanation: explanation.slice(0, explanationCharactersMax),
      dlq_topic: topic,
      dlq_partition: String(partition),
      dlq_offset: String(message.offset),
    },
  };
}

/** The message without its largest parts, as many as make it larger than a topic's messages may be. */
function carriable(
  message: ReceivedMessage,
): Pick<ReceivedMessage, 'key' | 'value' | 'headers'> & { dropped: readonly string[] } {
  const { key, value, headers } = message;
  let bytes = bytesOf(message);
  if (bytes <= messageBytesMax) return { key, value, headers, dropped: [] };
  const kept = { key, value, headers: { ...headers } };
  const parts = [
    { what: 'key', bytes: key?.length ?? 0, drop: () => void (kept.key = null) },
    { what: 'value', bytes: value?.length ?? 0, drop: () => void (kept.value = null) },
    ...Object.entries(headers).map(([name, text]) => ({
      what: `header ${name.length > nameCharactersMax ? `${name.slice(0, nameCharactersMax)}…` : name}`,
      bytes: headerBytesOf(name, text),
      drop: () => void delete kept.headers[name],
    })),
  ].sort((one, other) => other.bytes - one.bytes);
  const dropped: string[] = [];
  for (const part of parts) {
    if (bytes <= messageBytesMax) break;
    part.drop();
    bytes -= part.bytes;
    dropped.push(`${part.what} (${part.bytes} bytes)`);
  }
  return { ...kept, dropped };
}

/** The letters in sends of a size that one record batch may have, as all go to one partition. */
export function* sendsOf(letters: readonly OutgoingMessage[]): Generator<OutgoingMessage[]> {
  let send: OutgoingMessage[] = [];
  let bytes = 0;
  for (const letter of letters) {
    const letterBytes = bytesOf(letter);
    if (send.length > 0 && bytes + letterBytes > messageBytesMax) {
      yield send;
      send = [];
      bytes = 0;
    }
    send.push(letter);
    bytes += letterBytes;
  }
  if (send.length > 0) yield send;
}

function bytesOf({
  key,
  value,
  headers,
}: Pick<OutgoingMessage | ReceivedMessage, 'key' | 'value' | 'headers'>): number {
  let bytes = textBytes(key) + textBytes(value);
  for (const name in headers) bytes += headerBytesOf(name, headers[name]!);
  return bytes;
}

const headerBytesOf = (name: string, text: string | Buffer): number =>
  textBytes(name) + textBytes(text) + headerLengthsBytes;

const textBytes = (text: string | Buffer | null): number =>
  text === null ? 0 : Buffer.byteLength(text);
