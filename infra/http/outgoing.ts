// The one way out: requests to other hosts, which reach no private address unless an operator allows it, and follow no redirect.
import dns from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import { BlockList, isIP } from 'node:net';
import type { LookupFunction } from 'node:net';

/** A request that was not sent, or whose answer is of no use. */
class OutgoingFailed extends Error {
  override name = 'OutgoingFailed';
  readonly retryable = true;
}

// one list a family: a list of both takes an IPv4 address for one that is written in IPv6
const inward4 = new BlockList();
const inward6 = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  inward4.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  ['::', 128],
  ['::1', 128],
  // those in which an IPv4 address is written
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
  ['2001::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  inward6.addSubnet(network, prefix, 'ipv6');

/** Whether an address is private, loopback, link-local, or none of one host on the internet. */
export const isInward = (address: string): boolean => {
  const family = isIP(address);
  if (family === 0) return true;
  return family === 6 ? inward6.check(address, 'ipv6') : inward4.check(address, 'ipv4');
};

/** Resolves as usual, but gives only addresses that may be reached; what is checked here is what is connected to. */
const lookupOutward: LookupFunction = (hostname, options, done) => {
  dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return done(error, '', 0);
    const forbidden = addresses.find(({ address }) => isInward(address));
    if (forbidden !== undefined || addresses.length === 0)
      return done(new OutgoingFailed(`${hostname} is at a private address`), '', 0);
    if (options.all === true) return done(null, addresses);
    done(null, addresses[0]!.address, addresses[0]!.family);
  });
};

/** What a request may do. */
export type Outgoing = {
  /** Also private addresses and plain HTTP, as an operator has said. */
  allowPrivate: boolean;
  timeoutMs: number;
  /** A longer answer is not read to its end. */
  bytesMax: number;
};

/**
 * The JSON that a GET answers with 200.
 * @throws OutgoingFailed for anything else, a redirect too
 */
export function fetchJson(address: string, options: Outgoing): Promise<unknown> {
  const { allowPrivate, timeoutMs, bytesMax } = options;
  return new Promise((resolve, reject) => {
    const fail = (message: string, cause?: unknown): void =>
      reject(new OutgoingFailed(message, { cause }));
    if (!URL.canParse(address)) return fail('it is not a URL');
    const url = new URL(address);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:'))
      return fail(`${url.origin} is not asked: only https is`);
    if (url.username !== '' || url.password !== '') return fail('it holds credentials');
    // a literal address is connected to without a lookup
    if (!allowPrivate && isIP(host) !== 0 && isInward(host))
      return fail(`${host} is a private address`);
    const client = url.protocol === 'https:' ? https : http;
    const request = client.get(
      url,
      {
        agent: false,
        headers: { accept: 'application/json' },
        signal: AbortSignal.timeout(timeoutMs),
        ...(allowPrivate ? {} : { lookup: lookupOutward }),
      },
      (response) => {
        if (response.statusCode !== 200) {
          response.destroy();
          return fail(`${url.origin} answers ${response.statusCode}`);
        }
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          chunks.push(chunk);
          if (bytes > bytesMax) {
            response.destroy();
            fail(`${url.origin} answers more than ${bytesMax} bytes`);
          }
        });
        response.on('error', (error) => fail(`${url.origin} broke off`, error));
        response.on('end', () => {
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString()));
          } catch (error) {
            fail(`${url.origin} does not answer JSON`, error);
          }
        });
      },
    );
    request.on('error', (error) =>
      error instanceof OutgoingFailed
        ? reject(error)
        : fail(`${url.origin} does not answer`, error),
    );
  });
}
