// The fault proxy in front of Kafka, which tells its clients its own address: the answers are changed to name the proxy.
import { openFaultProxy } from './proxy.ts';
import type { AnswerFilter, FaultProxy } from './proxy.ts';

/** Of each answer: its length, as a 32-bit number. */
const lengthBytes = 4;

/** A proxy to one broker, given as `host:port` as that broker names itself. */
export async function openKafkaProxy(broker: string): Promise<FaultProxy> {
  const [host, port] = broker.split(':');
  const target = { host: host!, port: Number(port) };
  const named = addressBytes(target.host, target.port);
  return await openFaultProxy(target, (proxyPort) =>
    renameBroker(named, addressBytes('127.0.0.1', proxyPort)),
  );
}

/** As kafkajs' versions of the answers have it: the host with its 16-bit length, then the port in 32 bits. */
function addressBytes(host: string, port: number): Buffer {
  const bytes = Buffer.alloc(2 + host.length + 4);
  bytes.writeUInt16BE(host.length, 0);
  bytes.write(host, 2);
  bytes.writeUInt32BE(port, 2 + host.length);
  return bytes;
}

/** Passes whole answers on, with the broker's address replaced and the length made right. */
function renameBroker(named: Buffer, renamed: Buffer): AnswerFilter {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const answers: Buffer[] = [];
    while (rest.length >= lengthBytes) {
      const end = lengthBytes + rest.readUInt32BE(0);
      if (rest.length < end) break;
      answers.push(replaceIn(rest.subarray(lengthBytes, end), named, renamed));
      rest = rest.subarray(end);
    }
    return Buffer.concat(answers);
  };
}

function replaceIn(answer: Buffer, named: Buffer, renamed: Buffer): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = answer.indexOf(named); at >= 0; at = answer.indexOf(named, from)) {
    parts.push(answer.subarray(from, at), renamed);
    from = at + named.length;
  }
  parts.push(answer.subarray(from));
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}
