// Settings from environment variables: parsed once, every fault named at once, listed by `--help`.
import { z } from 'zod';
import { logLevels } from './telemetry/log-levels.ts';

/** One setting: how it is parsed (from its text, or undefined where it is not set), and what it is for. */
export type Setting<T = unknown> = {
  schema: z.ZodType<T, string | undefined>;
  help: string;
  /** As `--help` and the README show it; what the schema does with undefined. */
  default: string;
  /** It must be set where this one is. */
  neededWith?: string;
};
export type Settings = Record<string, Setting>;
export type Values<S extends Settings> = {
  [Name in keyof S]: S[Name] extends Setting<infer T> ? T : never;
};

/** The settings cannot be used; the message names every fault, for a person. */
class SettingsFault extends Error {
  override name = 'SettingsFault';
}

const setting = <T>(
  schema: z.ZodType<T, string | undefined>,
  help: string,
  shownDefault = '',
): Setting<T> => ({
  schema,
  help,
  default: shownDefault,
});

const text = (fallback: string) => z.string().default(fallback);
const optionalText = () => z.string().optional();

/** What `read` makes of a text; what it makes nothing of is refused with what the text must be. */
const readAs = <T>(read: (text: string) => T | null, must: string) =>
  z.string().transform((given, context) => {
    const value = read(given);
    if (value !== null) return value;
    context.addIssue(must);
    return z.NEVER;
  });

const wholeNumber = (digits: string, least: number, most: number): number | null => {
  const number = /^\d{1,9}$/.test(digits) ? Number(digits) : -1;
  return number >= least && number <= most ? number : null;
};
const integer = (fallback: number, least: number, most: number) =>
  z
    .string()
    .default(String(fallback))
    .pipe(
      readAs(
        (digits) => wholeNumber(digits, least, most),
        `must be a whole number from ${least} to ${most}`,
      ),
    );

/** Where a service listens unless told otherwise; 0 is any free port. */
export const port = (usual: number): Setting<number> =>
  setting(integer(usual, 0, 65_535), 'Port to listen on', String(usual));

const httpUrl = () =>
  readAs(
    (url) => (/^https?:\/\//i.test(url) && URL.canParse(url) ? url : null),
    'must be a URL that begins with http:// or https://',
  );

/** A name or an IPv4 address, as the Kafka client takes no other. */
const isBroker = (broker: string): boolean => {
  const [host, port, ...rest] = broker.split(':');
  const isHost = /^[\w.-]+$/.test(host ?? '');
  return isHost && wholeNumber(port ?? '', 1, 65_535) !== null && rest.length === 0;
};
const brokerList = () =>
  readAs((list) => {
    const brokers = list.split(',').map((broker) => broker.trim());
    return brokers.every(isBroker) ? brokers : null;
  }, 'must be brokers as host:port, comma-separated');

const originList = () =>
  readAs((list) => {
    const origins = list.split(',').map((origin) => origin.trim());
    return origins.every((origin) => origin === '*' || isOrigin(origin)) ? origins : null;
  }, 'must be origins as https://ui.example, comma-separated, or *');
const isOrigin = (text: string): boolean => URL.canParse(text) && new URL(text).origin === text;

/** The host may be left out, where it stands among the parameters: a socket's folder. */
const databaseUrl = () =>
  readAs(
    (url) =>
      /^postgres(ql)?:\/\//i.test(url) && URL.canParse(url.replace('@/', '@localhost/'))
        ? url
        : null,
    'must be postgres://user:password@host:port/name',
  );

export const secretCharactersMin = 32;
const secret = () =>
  z
    .string()
    .min(secretCharactersMin, `must have at least ${secretCharactersMin} characters`)
    .optional();

/** Every setting of the system; a service's `config.ts` picks those that it reads. */
export const allSettings = {
  HOST: setting(text('127.0.0.1'), 'Address to listen on', '127.0.0.1'),
  PORT: { ...port(8003), default: '8003 (projector 8004, retention 8005)' },
  DATA_DIR: setting(
    text('./data'),
    'Folder of the embedded PostgreSQL, the local Kafka and the generated keys',
    './data',
  ),
  DATABASE_URL: setting(
    databaseUrl().optional(),
    'PostgreSQL to use instead of the embedded one, as postgres://user:password@host:5432/name',
  ),
  DATABASE_POOL_SIZE: setting(
    integer(10, 2, 200),
    'Connections a service opens at most for its queries',
    '10',
  ),
  KAFKA_BROKERS: setting(
    brokerList().optional(),
    'Kafka brokers as host:port, comma-separated; without them projector and retention read the log',
  ),
  SCHEMA_REGISTRY_URL: setting(
    httpUrl().optional(),
    'Confluent-compatible schema registry; when set, Kafka values are Avro',
  ),
  KAFKA_TOPIC_PREFIX: setting(
    z
      .string()
      .max(100, 'must have at most 100 characters')
      .regex(/^[a-zA-Z0-9._-]*$/, 'may hold letters, digits, ".", "_" and "-"')
      .default(''),
    'Goes before every topic and consumer group, so that several systems share one Kafka',
  ),
  LOG_LEVEL: setting(
    z.enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` }).default('info'),
    `One of ${logLevels.join(', ')}`,
    'info',
  ),
  MODELOG_ADMIN_KEY: setting(
    secret(),
    `The bootstrap admin key, at least ${secretCharactersMin} characters`,
    'generated once, kept in DATA_DIR/admin-key',
  ),
  MODELOG_SERVICE_KEY: setting(
    secret(),
    `The key with which retention asks the command API, at least ${secretCharactersMin} characters`,
    'generated once, kept in DATA_DIR/service-key',
  ),
  SECRET_KEY: setting(
    secret(),
    `Signs access tokens, at least ${secretCharactersMin} characters; without it there are none`,
  ),
  ACCESS_TOKEN_EXPIRE_MINUTES: setting(
    integer(30, 1, 1_440),
    'Minutes that an access token is good, 1 to 1440',
    '30',
  ),
  OIDC_ISSUER: setting(
    httpUrl().optional(),
    'OpenID Connect issuer whose tokens are taken beside keys',
  ),
  OIDC_AUDIENCE: {
    ...setting(optionalText(), 'The audience that its tokens must name; needed with OIDC_ISSUER'),
    neededWith: 'OIDC_ISSUER',
  },
  OIDC_SUBJECT_CLAIM: setting(text('sub'), 'Claim that names the subject', 'sub'),
  OIDC_TENANT_CLAIM: setting(
    optionalText(),
    'Claim that names the tenant; without it everybody is of the tenant default',
  ),
  OIDC_ROLES_CLAIM: setting(
    optionalText(),
    'Claim that lists roles, a path with dots too (realm_access.roles); without it role bindings alone give roles',
  ),
  OIDC_TEAMS_CLAIM: setting(
    optionalText(),
    'Claim that lists teams: the roles are then held in these only, not in the whole tenant',
  ),
  OIDC_ALLOW_PRIVATE: setting(
    z
      .enum(['true', 'false'], { error: 'must be true or false' })
      .default('false')
      .transform((value) => value === 'true'),
    'true: the issuer may be at a private address or speak plain HTTP',
    'false',
  ),
  CORS_ORIGINS: setting(
    originList().default([]),
    'Origins whose pages may ask from a browser, comma-separated, as https://ui.example; * for all',
  ),
  COMMAND_API_URL: setting(
    z.string().default('http://127.0.0.1:8003').pipe(httpUrl()),
    'Where retention finds the command API',
    'http://127.0.0.1:8003',
  ),
  LOCAL_KAFKA_PORT: setting(integer(9092, 1, 65_535), 'Port of the local Kafka', '9092'),
  DEFAULT_RETENTION_COUNT: setting(
    integer(3, 1, 10),
    'Newest versions of a model that retention keeps, 1 to 10',
    '3',
  ),
  RETENTION_SWEEP_SECONDS: setting(
    integer(60, 1, 86_400),
    'Seconds between two retention sweeps',
    '60',
  ),
  MODEL_TYPES: setting(
    z
      .string()
      .default('')
      .transform((text) =>
        text
          .split(',')
          .map((type) => type.trim())
          .filter((type) => type !== ''),
      ),
    'Model types that a registration takes beside those of the documents, comma-separated',
  ),
  DEPLOYMENT_TIMEOUT_HOURS: setting(
    integer(24, 1, 8_760),
    'Hours after which a deployment that nobody reports on has failed',
    '24',
  ),
} as const;

export type SettingName = keyof typeof allSettings;

/** A setting that a service cannot do without. */
export const needed = <T>(
  { schema }: Setting<T | undefined>,
  help: string,
): Setting<NonNullable<T>> => ({
  schema: schema.transform((value, context) => {
    if (value !== undefined && value !== null) return value;
    context.addIssue('is needed');
    return z.NEVER;
  }),
  help,
  default: 'needed',
});

/** PostgreSQL, for a service that brings none. */
export const neededDatabaseUrl = needed(
  allSettings.DATABASE_URL,
  'The PostgreSQL of the registry, as postgres://user:password@host:5432/name',
);

/** The settings of a service. */
export const pickSettings = <Name extends SettingName>(
  ...names: Name[]
): Pick<typeof allSettings, Name> =>
  Object.fromEntries(names.map((name) => [name, allSettings[name]])) as Pick<
    typeof allSettings,
    Name
  >;

/** What each service that answers callers reads: of tokens and of their issuer, and of pages that ask. */
export const callerSettings = pickSettings(
  'SECRET_KEY',
  'ACCESS_TOKEN_EXPIRE_MINUTES',
  'OIDC_ISSUER',
  'OIDC_AUDIENCE',
  'OIDC_SUBJECT_CLAIM',
  'OIDC_TENANT_CLAIM',
  'OIDC_ROLES_CLAIM',
  'OIDC_TEAMS_CLAIM',
  'OIDC_ALLOW_PRIVATE',
  'CORS_ORIGINS',
);

/** By what names documents [1] and [2] give the same; the own name comes first. */
const inDocuments: Partial<Record<string, (environment: NodeJS.ProcessEnv) => string | undefined>> =
  {
    DATABASE_POOL_SIZE: ({ DB_POOL_SIZE }) => DB_POOL_SIZE,
    DATABASE_URL: ({ POSTGRES_HOST: host, ...environment }) => {
      const user = encodeURIComponent(environment['POSTGRES_USER'] || 'postgres');
      const password = encodeURIComponent(environment['POSTGRES_PASSWORD'] || 'postgres');
      const place = `${host}:${environment['POSTGRES_PORT'] || 5432}`;
      return (
        host &&
        `postgres://${user}:${password}@${place}/${environment['POSTGRES_DB'] || 'model_registry'}`
      );
    },
    LOG_LEVEL: ({ DEBUG }) => (DEBUG === 'true' ? 'debug' : undefined),
    MODEL_TYPES: ({ SUPPORTED_FRAMEWORKS }) => SUPPORTED_FRAMEWORKS,
  };

/**
 * Parses the settings from an environment.
 * @throws SettingsFault naming every setting at fault; values are not shown, as some are secrets.
 */
export function parseSettings<S extends Settings>(
  settings: S,
  environment: NodeJS.ProcessEnv,
): Values<S> {
  const values: Record<string, unknown> = {};
  const faults: string[] = [];
  // what is set to nothing is not set, as in a file that lists every variable
  const given = (name: string): string | undefined =>
    environment[name] || inDocuments[name]?.(environment) || undefined;
  for (const [name, { schema, neededWith }] of Object.entries(settings)) {
    const parsed = schema.safeParse(given(name));
    if (neededWith !== undefined && given(neededWith) !== undefined && given(name) === undefined)
      faults.push(`${name}: is needed with ${neededWith}`);
    else if (parsed.success) values[name] = parsed.data;
    else faults.push(`${name}: ${parsed.error.issues.map((issue) => issue.message).join('; ')}`);
  }
  if (faults.length > 0)
    throw new SettingsFault(`These settings cannot be used:\n  ${faults.join('\n  ')}`);
  return values as Values<S>;
}

/** The text of `--help`. */
export function describeSettings(usage: string, settings: Settings): string {
  const width = Math.max(...Object.keys(settings).map((name) => name.length));
  const lines = Object.entries(settings).map(
    ([name, { help, default: shown }]) =>
      `  ${name.padEnd(width)}  ${help}${shown === '' ? '' : ` [${shown}]`}`,
  );
  return `${usage}\n\nSettings, by environment variable:\n${lines.join('\n')}\n`;
}
