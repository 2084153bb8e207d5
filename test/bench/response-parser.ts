// Reads the answers of one keep-alive HTTP/1.1 connection, one request in flight, and takes nothing that is not exact.

// Heads of the API have about 1 KiB; node:http refuses more than 16 KiB too.
const headBytesMax = 16 * 1024;
// A page of 1,000 models has about 1 MiB; more than this is no answer that a workload asks for.
const bodyBytesMax = 16 * 1024 * 1024;
// A chunk's size in hexadecimal, or a trailer line: longer ones are not sent by any server in use here.
const lineBytesMax = 256;

const headEnd = Buffer.from('\r\n\r\n');
const statusLine = /^HTTP\/1\.1 ([2-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;

type Step = 'head' | 'body' | 'chunk_size' | 'chunk' | 'chunk_end' | 'trailer';

/** What came is not the one exact HTTP/1.1 response that was due; the connection cannot be used further. */
export class ResponseFault extends Error {
  override readonly name = 'ResponseFault';
  readonly retryable = false;
}

/**
 * Feed it what the socket read; `push` says when the response is whole. `status`, `keepAlive`, `isStale` and `body()` then tell of it
 * until the next `push`. Only bodies of a status of at least `keepBodyFrom` are kept, as most are of no interest to a load.
 */
export class ResponseParser {
  status = 0;
  keepAlive = true;
  /** True if the answer says of itself that it is not fresh: `X-Stale: true`. */
  isStale = false;
  private readonly keepBodyFrom: number;
  private step: Step = 'head';
  private head = '';
  private line = '';
  private bytesLeft = 0;
  private bodyBytes = 0;
  private kept: Buffer[] = [];

  constructor(keepBodyFrom: number) {
    this.keepBodyFrom = keepBodyFrom;
  }

  /** True if the response ended with these bytes. Throws `ResponseFault`, also for bytes after its end. */
  push(bytes: Buffer): boolean {
    let at = 0;
    if (this.step === 'head') {
      at = this.readHead(bytes);
      if (at === 0) return false;
      if (this.hasEmptyBody()) return this.end(bytes, at);
    }
    while (at < bytes.length) {
      switch (this.step) {
        case 'body':
        case 'chunk': {
          const taken = Math.min(this.bytesLeft, bytes.length - at);
          if (this.status >= this.keepBodyFrom)
            this.kept.push(Buffer.from(bytes.subarray(at, at + taken)));
          at += taken;
          this.bytesLeft -= taken;
          if (this.bytesLeft > 0) break;
          if (this.step === 'body') return this.end(bytes, at);
          this.step = 'chunk_end';
          break;
        }
        case 'chunk_size':
        case 'chunk_end':
        case 'trailer': {
          const line = this.readLine(bytes, at);
          at = line.at;
          if (line.text === null) break;
          if (this.step === 'chunk_end') {
            if (line.text !== '') throw new ResponseFault('a chunk is longer than it said');
            this.step = 'chunk_size';
          } else if (this.step === 'chunk_size') {
            this.beginChunk(line.text);
          } else if (line.text === '') {
            return this.end(bytes, at);
          }
          break;
        }
        case 'head':
          throw new ResponseFault('bytes came after the end of the response');
      }
    }
    return false;
  }

  /** The body as text; empty if it was not to be kept. */
  body(): string {
    return this.kept.length === 0 ? '' : Buffer.concat(this.kept).toString('utf8');
  }

  /** Takes bytes up to the end of the head; 0 while it is not whole, else where the body begins. */
  private readHead(bytes: Buffer): number {
    // The common case: the whole head came at once, and nothing is copied.
    if (this.head === '') {
      const end = bytes.indexOf(headEnd);
      if (end >= 0) {
        this.beginResponse(bytes.toString('latin1', 0, end));
        return end + headEnd.length;
      }
    }
    const before = this.head.length;
    this.head += bytes.toString('latin1', 0, Math.min(bytes.length, headBytesMax + headEnd.length));
    const end = this.head.indexOf('\r\n\r\n', Math.max(0, before - headEnd.length));
    if (end < 0) {
      if (this.head.length > headBytesMax)
        throw new ResponseFault(`a head of more than ${headBytesMax} bytes`);
      return 0;
    }
    const head = this.head.slice(0, end);
    this.head = '';
    this.beginResponse(head);
    return end + headEnd.length - before;
  }

  private beginResponse(head: string): void {
    if (head.length > headBytesMax)
      throw new ResponseFault(`a head of more than ${headBytesMax} bytes`);
    let end = lineEnd(head, 0);
    const status = statusLine.exec(head.slice(0, end))?.[1];
    if (status === undefined) throw new ResponseFault(`no status line: ${head.slice(0, end)}`);
    this.status = Number(status);
    this.keepAlive = true;
    this.isStale = false;
    if (this.kept.length > 0) this.kept = [];
    this.bodyBytes = 0;
    let length: string | null = null;
    let chunked = false;
    while (end < head.length) {
      const start = end + 2;
      end = lineEnd(head, start);
      const colon = head.indexOf(':', start);
      if (colon < 0 || colon >= end)
        throw new ResponseFault(`no header: ${head.slice(start, end)}`);
      // Only four names matter, and their lengths differ, so the others are checked but not copied about.
      const name = head.slice(start, colon);
      if (!headerName.test(name)) throw new ResponseFault(`no header name: ${name}`);
      switch (name.length) {
        case 'content-length'.length:
          if (name.toLowerCase() !== 'content-length') break;
          if (length !== null) throw new ResponseFault('two content-length headers');
          length = head.slice(colon + 1, end).trim();
          break;
        case 'transfer-encoding'.length:
          if (name.toLowerCase() !== 'transfer-encoding') break;
          if (
            chunked ||
            head
              .slice(colon + 1, end)
              .trim()
              .toLowerCase() !== 'chunked'
          )
            throw new ResponseFault('a transfer-encoding other than one "chunked"');
          chunked = true;
          break;
        case 'connection'.length:
          if (name.toLowerCase() !== 'connection') break;
          this.keepAlive =
            head
              .slice(colon + 1, end)
              .trim()
              .toLowerCase() === 'keep-alive';
          break;
        case 'x-stale'.length:
          if (name.toLowerCase() !== 'x-stale') break;
          this.isStale = head.slice(colon + 1, end).trim() === 'true';
          break;
        default:
      }
    }
    this.beginBody(length, chunked);
  }

  private beginBody(length: string | null, chunked: boolean): void {
    if (chunked) {
      if (length !== null) throw new ResponseFault('both content-length and transfer-encoding');
      this.step = 'chunk_size';
      return;
    }
    this.step = 'body';
    this.bytesLeft = 0;
    if (this.status === 204 || this.status === 304) return;
    if (length === null) throw new ResponseFault('neither content-length nor transfer-encoding');
    if (!/^\d{1,15}$/.test(length)) throw new ResponseFault(`content-length: ${length}`);
    this.bytesLeft = Number(length);
    this.countBody(this.bytesLeft);
  }

  private beginChunk(line: string): void {
    // Chunk extensions (after ";") are legal and carry nothing for us.
    const size = /^([0-9a-f]{1,12})[\t ]*(?:;.*)?$/i.exec(line)?.[1];
    if (size === undefined) throw new ResponseFault(`no chunk size: ${line}`);
    this.bytesLeft = Number.parseInt(size, 16);
    this.countBody(this.bytesLeft);
    this.step = this.bytesLeft === 0 ? 'trailer' : 'chunk';
  }

  private countBody(bytes: number): void {
    this.bodyBytes += bytes;
    if (this.bodyBytes > bodyBytesMax)
      throw new ResponseFault(`a body of more than ${bodyBytesMax} bytes`);
  }

  /** Takes bytes up to a CRLF; `text` is null while it has not come. */
  private readLine(bytes: Buffer, start: number): { text: string | null; at: number } {
    const end = bytes.indexOf(lineFeed, start);
    const at = end < 0 ? bytes.length : end + 1;
    this.line += bytes.toString('latin1', start, at);
    if (this.line.length > lineBytesMax)
      throw new ResponseFault(`a line of more than ${lineBytesMax} bytes`);
    if (end < 0) return { text: null, at };
    if (this.line.charCodeAt(this.line.length - 2) !== carriageReturn)
      throw new ResponseFault('a line that does not end with CRLF');
    const text = this.line.slice(0, -2);
    this.line = '';
    return { text, at };
  }

  private hasEmptyBody(): boolean {
    return this.step === 'body' && this.bytesLeft === 0;
  }

  private end(bytes: Buffer, at: number): true {
    if (at < bytes.length) throw new ResponseFault('bytes came after the end of the response');
    this.step = 'head';
    return true;
  }
}

function lineEnd(head: string, start: number): number {
  const end = head.indexOf('\r\n', start);
  return end < 0 ? head.length : end;
}
