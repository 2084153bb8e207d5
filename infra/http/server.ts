// The HTTP base of every service: one hook that authenticates, routes that declare their permission, problems, timeouts.
import type * as http from 'node:http';
import { isUtf8 } from 'node:buffer';
import Fastify, { LogController } from 'fastify';
import type {
  FastifyBaseLogger,
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { principalOf } from '#events/access.ts';
import type { Permission, Principal } from '#events/access.ts';
import { AssertionFailed } from '#events/decider.ts';
import { LogUnavailable } from '#events/log.ts';
import { defaultTenant } from '#events/names.ts';
import type { Keyring } from '#infra/auth/keys.ts';
import type { AuditRecords } from '#infra/postgres/audit.ts';
import type { Logger } from '#infra/telemetry/logger.ts';
import type { RequestMetrics } from '#infra/telemetry/metrics.ts';
import { asksAsOf } from './as-of-query.ts';
import { allowOrigins } from './cors.ts';
import { openDeadlines } from './deadlines.ts';
import { asksDryRun, changesSomething, withDryRun, withoutDryRun } from './dry-run.ts';
import { forbidden } from './forbidden.ts';
import { faultsOfBody, faultsOfSchema, tooDeep } from './faults.ts';
import { Problem } from './problems.ts';
import { refusalOf } from './refusals.ts';
import type { Fault } from './problems.ts';
import { answerUnparsed, isQueryEncoded } from './unparsed.ts';

/** A body may hold one event's data and its names. */
const bodyBytesMax = 640 * 1024;
/** A client that sends slowly is cut after this. */
const requestTimeoutMs = 10_000;
const keepAliveTimeoutMs = 72_000;
const pathParameterCharactersMax = 1024;

/** The answer of then is folded from events, of up to 20,000 models. */
const asOfMs = 120_000;

/** What a route asks for: a permission, any valid key, or nothing (`loopback`: a key of the first tenant unless asked from this machine). */
export type RouteAccess = Permission | 'any key' | 'loopback' | 'open';

type Check = z.ZodType['safeParse'];

/**
 * Checks by the schema as compiled code, which is made for the first request that needs it: that takes milliseconds, and most
 * routes are seldom asked.
 */
function checkBy(schema: z.ZodType): Check {
  let compiled: z.ZodType | null = null;
  return (value) => (compiled ??= z.compile(schema)).safeParse(value);
}

/** What a route's declaration says of every request to it, made ready once. */
type Route = {
  /** Null where there is none. */
  url: string | null;
  access: RouteAccess;
  changesSomething: boolean;
  params: Check | undefined;
  querystring: Check | undefined;
  body: Check | undefined;
  /** What a query that says nothing comes to; null where one must say something. */
  emptyQuery: object | null;
};

declare module 'fastify' {
  interface FastifyContextConfig {
    permission?: RouteAccess;
    route?: Route;
  }
  interface FastifyInstance {
    /** To be told when a key or a role was given or taken, so that whoever asks next is who they are by then. */
    keysMoved: () => void;
  }
  interface FastifyRequest {
    /** Null until the first hook, which a request without a readable path never comes to. */
    route: Route | null;
    principal: Principal;
    /** Size of the body as it arrived. */
    bodyBytes: number;
    /** What of the body could not be stored, whatever the route's schema says. */
    bodyFaults: Fault[] | null;
    /** Nothing may be stored: it is only asked what would be. Whoever stores something looks. */
    isDryRun: boolean;
    /** Gives a read so many ms more than reads have: it looks through much, or waits on purpose. */
    mayTakeLonger: (ms: number) => void;
    /** Who is behind the key by now, or null if it is not good any more; for answers that take long. */
    principalNow: () => Promise<Principal | null>;
  }
}

export type HttpServer = FastifyInstance<
  http.Server,
  http.IncomingMessage,
  http.ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

const anonymous = principalOf(
  {
    tenant: '',
    subject: 'anonymous',
    subject_type: 'user',
    auth_method: 'api_key',
    key_id: null,
    issued_by: null,
    own: [],
  },
  [],
);

const bearerPattern = /^Bearer +[\x21-\x7e]+ *$/i;
const bearer = 'Bearer';

function presentedToken(request: FastifyRequest): string | null {
  const { authorization } = request.headers;
  if (authorization !== undefined)
    return bearerPattern.test(authorization) ? authorization.slice(bearer.length).trim() : null;
  const key = request.headers['x-api-key'];
  return typeof key === 'string' && key.length > 0 ? key : null;
}

/** A path that does not exist tells a stranger no more than one that does. */
const noRoute: Route = {
  url: null,
  access: 'any key',
  changesSomething: false,
  params: undefined,
  querystring: undefined,
  body: undefined,
  emptyQuery: null,
};

const saysNothing = (query: unknown): boolean => {
  for (const _ in query as object) return false;
  return true;
};

const isLoopback = (address: string): boolean =>
  address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');

/** What any thrown thing becomes for the client: never its text, unless it is a `Problem`. */
function problemOf(error: FastifyError | Error): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof LogUnavailable)
    return new Problem(error.inDoubt ? 'in_doubt' : 'overloaded', {}, { cause: error });
  if ('statusCode' in error && typeof error.statusCode === 'number') {
    const { statusCode } = error;
    if (statusCode === 413)
      return new Problem('too_large', { limit_bytes: bodyBytesMax }, { cause: error });
    if (statusCode === 415) return new Problem('unsupported_media_type', {}, { cause: error });
    if (statusCode >= 400 && statusCode < 500)
      return new Problem('malformed', { detail: malformedDetail(error) }, { cause: error });
  }
  return new Problem('internal', {}, { cause: error });
}

function malformedDetail(error: FastifyError | Error): string {
  if (
    error instanceof SyntaxError ||
    ('code' in error && error.code === 'FST_ERR_CTP_INVALID_JSON_BODY')
  )
    return 'the body is not JSON';
  return 'the request cannot be parsed';
}

function unauthenticated(reply: FastifyReply): Problem {
  reply.header('www-authenticate', 'Bearer');
  return new Problem('unauthenticated');
}

export type ServerOptions = {
  logger: Logger;
  keyring: Keyring;
  metrics: RequestMetrics;
  /** Where refusals are kept; absent where nobody asks for them. */
  audit?: AuditRecords;
  /** Whose pages may ask from a browser; none where nothing is said. */
  corsOrigins?: readonly string[];
};

/**
 * A server without routes. Each route must declare `config.permission`, or its registration throws; paths, queries
 * and bodies are validated by zod schemas, every fault at once; nothing of an unexpected error reaches the client.
 */
export function buildServer(options: ServerOptions): HttpServer {
  const { keyring, metrics, audit } = options;
  const deadlines = openDeadlines();
  const logger: FastifyBaseLogger = options.logger;
  const server: HttpServer = Fastify({
    loggerInstance: logger,
    // no line for each request: the metrics count them, and what fails is logged
    logController: new LogController({ disableRequestLogging: true }),
    // a logger of its own for each request costs more than the few lines that requests write are worth
    childLoggerFactory: (requestLogger) => requestLogger,
    bodyLimit: bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    routerOptions: { maxParamLength: pathParameterCharactersMax },
    forceCloseConnections: 'idle',
    exposeHeadRoutes: true,
    return503OnClosing: true,
    clientErrorHandler: answerUnparsed,
    // what is not even a path comes before any hook; a stranger learns no more of it than of any other
    frameworkErrors: (fault, request, reply) => void answerUnroutable(fault, request, reply),
  }).withTypeProvider<ZodTypeProvider>();

  // one hook checks every part, so that one answer names the faults of all
  server.setValidatorCompiler(() => () => true);
  server.setSerializerCompiler(() => JSON.stringify);

  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    const body = bytes as Buffer;
    request.bodyBytes = body.length;
    if (body.length === 0) return done(null, undefined);
    const malformed = () => new Problem('malformed', { detail: 'the body is not JSON' });
    if (!isUtf8(body)) return done(malformed());
    const text = body.toString();
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      return done(malformed());
    }
    const errors = faultsOfBody(parsed, text);
    if (errors[0]?.message === tooDeep) return done(new Problem('invalid', { errors }));
    request.bodyFaults = errors;
    done(null, parsed);
  });

  server.addHook('preValidation', (request, _reply, done) => {
    const route = request.route!;
    if (!isQueryEncoded(request.url))
      return done(new Problem('malformed', { detail: 'the query is not percent-encoded UTF-8' }));
    const errors = request.bodyFaults ?? [];
    let isReserved = false;
    const check = (part: 'params' | 'querystring' | 'body', value: unknown): unknown => {
      const result = route[part]?.(value);
      if (result === undefined) return value;
      if (result.success) return result.data;
      const told = new Set(errors.map(({ pointer }) => pointer));
      errors.push(
        ...faultsOfSchema(result.error, part).filter(({ pointer }) => !told.has(pointer)),
      );
      isReserved ||= result.error.issues.some(
        (issue) => issue.code === 'custom' && issue.params?.['reserved'],
      );
      return value;
    };
    request.params = check('params', request.params);
    if (route.emptyQuery !== null && saysNothing(request.query)) request.query = route.emptyQuery;
    else {
      request.query = check('querystring', request.query);
      if (route.changesSomething) request.query = withoutDryRun(request.query);
    }
    request.body = check('body', request.body);
    if (errors.length === 0) return done();
    done(new Problem(isReserved ? 'reserved_name' : 'invalid', { errors }));
  });

  server.decorate('keysMoved', () => keyring.moved());
  server.decorateRequest('route', null);
  server.decorateRequest('principal', null as unknown as Principal);
  server.decorateRequest('bodyBytes', 0);
  server.decorateRequest('bodyFaults', null);
  server.decorateRequest('isDryRun', false);
  server.decorateRequest('mayTakeLonger', function (this: FastifyRequest, ms: number) {
    deadlines.allow(this, ms);
  });
  server.decorateRequest('principalNow', async function (this: FastifyRequest) {
    const token = presentedToken(this);
    return token === null ? null : await keyring.confirm(token);
  });

  server.addHook('onRoute', (route) => {
    // what a browser asks before it asks: answered before anybody is known
    if (route.method === 'OPTIONS') route.config = { permission: 'open', ...route.config };
    if (route.config?.permission === undefined)
      throw new AssertionFailed(`${String(route.method)} ${route.url} declares no permission`);
    const changes = changesSomething(route.method);
    if (changes)
      route.schema = { ...route.schema, querystring: withDryRun(route.schema?.querystring) };
    const { params, querystring, body } = (route.schema ?? {}) as Partial<
      Record<string, z.ZodType>
    >;
    const empty = querystring?.safeParse({}).data as object | undefined;
    route.config = {
      ...route.config,
      route: {
        url: route.url,
        access: route.config.permission,
        changesSomething: changes,
        params: params && checkBy(params),
        querystring: querystring && checkBy(querystring),
        body: body && checkBy(body),
        emptyQuery: empty === undefined ? null : Object.freeze(empty),
      },
    };
  });

  /** @returns why the request may not go on, if so */
  function admit(
    request: FastifyRequest,
    access: RouteAccess,
    principal: Principal | null,
  ): Problem | undefined {
    if (principal === null) return new Problem('unauthenticated');
    request.principal = principal;
    if (access === 'open' || access === 'any key') return undefined;
    // what is told there is of all tenants
    if (access === 'loopback')
      return principal.tenant === defaultTenant
        ? undefined
        : new Problem('forbidden', { required_tenant: defaultTenant });
    // what is held in some scope only is decided where it is known which model is meant
    if (principal.somewhere.has(access)) return undefined;
    return forbidden(access);
  }

  allowOrigins(server, options.corsOrigins ?? []);

  server.addHook('onRequest', (request, reply, done) => {
    reply.header('x-content-type-options', 'nosniff');
    reply.header('cache-control', 'no-store');
    const route = request.routeOptions.config.route ?? noRoute;
    const { access } = route;
    request.route = route;
    request.isDryRun = asksDryRun(request);
    if (access === 'open' || (access === 'loopback' && isLoopback(request.ip))) {
      request.principal = anonymous;
      return done();
    }
    if (!route.changesSomething) {
      deadlines.watch(request, reply);
      if (asksAsOf(request)) deadlines.allow(request, asOfMs);
    }
    const token = presentedToken(request);
    if (token === null) return done(unauthenticated(reply));
    const found = keyring.find(token);
    const proceed = (principal: Principal | null): void => done(admit(request, access, principal));
    if (found instanceof Promise) found.then(proceed, done);
    else proceed(found);
  });

  server.addHook('onResponse', (request, reply, done) => {
    deadlines.forget(request);
    metrics.observe(
      request.method,
      request.route?.url ?? 'none',
      reply.statusCode,
      reply.elapsedTime / 1000,
    );
    done();
  });

  server.addHook('onClose', (_server, done) => {
    deadlines.close();
    done();
  });

  server.setErrorHandler((error: FastifyError | Error, request, reply) =>
    refuse(problemOf(error), request, reply),
  );
  server.setNotFoundHandler((request, reply) => refuse(new Problem('not_found'), request, reply));

  /** What must be kept for the audit trail is kept before the answer. A dry run leaves nothing, but a stranger may not hide by it. */
  function refuse(
    problem: Problem,
    request: FastifyRequest,
    reply: FastifyReply,
  ): FastifyReply | Promise<FastifyReply> {
    const isKept = audit !== undefined && !(request.isDryRun && problem.status !== 401);
    const refusal = isKept ? refusalOf(request, problem) : null;
    const noted = refusal === null ? undefined : audit!.note(refusal.refused, refusal.always);
    if (noted === undefined) return answerProblem(problem, request, reply);
    return noted.then(() => answerProblem(problem, request, reply));
  }

  async function answerUnroutable(
    fault: FastifyError,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const token = presentedToken(request);
    try {
      const principal = token === null ? null : await keyring.find(token);
      if (principal === null) throw unauthenticated(reply);
      throw fault.code === 'FST_ERR_BAD_URL'
        ? new Problem('malformed', { detail: 'the path is not percent-encoded UTF-8' })
        : new Problem('not_found');
    } catch (error) {
      answerProblem(error as Error, request, reply);
    }
  }

  function answerProblem(error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const problem = problemOf(error);
    if (problem.status >= 500)
      request.log[problem.code === 'internal' ? 'error' : 'warn'](
        {
          err: problem.cause ?? problem,
          method: request.method,
          route: request.routeOptions.url,
          code: problem.code,
        },
        'request failed',
      );
    if (problem.retryAfterSeconds !== null) reply.header('retry-after', problem.retryAfterSeconds);
    return reply
      .code(problem.status)
      .header('content-type', 'application/problem+json')
      .send(JSON.stringify(problem.document()));
  }

  return server;
}
