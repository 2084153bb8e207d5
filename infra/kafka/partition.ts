// Which partition a key belongs to: murmur2, as Kafka's Java client and kafkajs deal keys out.

/** The partition, from 0, of a message with this key on a topic of so many partitions. */
export const partitionOf = (key: string | Buffer, partitions: number): number =>
  (murmur2(typeof key === 'string' ? Buffer.from(key) : key) & 0x7fffffff) % partitions;

/** Constants and mixing as in org.apache.kafka.common.utils.Utils.murmur2; the result is a signed 32-bit number. */
function murmur2(data: Buffer): number {
  const multiplier = 0x5bd1e995;
  const wordBytesEnd = data.length & ~3;
  let hash = 0x9747b28c ^ data.length;
  for (let at = 0; at < wordBytesEnd; at += 4) {
    let word = Math.imul(data.readInt32LE(at), multiplier);
    word = Math.imul(word ^ (word >>> 24), multiplier);
    hash = Math.imul(hash, multiplier) ^ word;
  }
  const rest = data.length - wordBytesEnd;
  if (rest > 0) {
    hash = Math.imul(hash ^ data.readUIntLE(wordBytesEnd, rest), multiplier);
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return hash ^ (hash >>> 15);
}
