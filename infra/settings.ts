// Settings from environment variables: parsed once, every fault named at once, listed by `--help`.
import { z } from 'zod';
import { logLevels } from './telemetry/log-levels.ts';

/** One setting: how it is parsed (from its text, or undefined where it is not set), and what it is for. */
export type Setting<T = unknown> = {
  schema: z.ZodType<T, string | undefined>;
  help: string;
  /** As `--help` and the README show it; what the schema does with undefined. */
  default: string;
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

const text = (fallback: string) => z.string().min(1).default(fallback);
const optionalText = () =>
  z
    .string()
    .optional()
    .transform((value) => (value === '' ? undefined : value));
const integer = (fallback: number, least: number, most: number) =>
  z.string().default(String(fallback)).transform(Number).pipe(z.int().min(least).max(most));

export const secretCharactersMin = 32;
const secret = () =>
  optionalText().pipe(
    z
      .string()
      .min(secretCharactersMin, `must have at least ${secretCharactersMin} characters`)
      .optional(),
  );

/** Every setting of the system; a service's `config.ts` picks those that it reads. */
export const allSettings = {
  HOST: setting(text('127.0.0.1'), 'Address to listen on', '127.0.0.1'),
  PORT: setting(
    integer(8003, 0, 65_535),
    'Port to listen on',
    '8003 (projector 8004, retention 8005)',
  ),
  DATA_DIR: setting(
    text('./data'),
    'Folder of the embedded PostgreSQL, the local Kafka and the generated admin key',
    './data',
  ),
  DATABASE_URL: setting(
    optionalText(),
    'PostgreSQL to use instead of the embedded one, as postgres://user:password@host:5432/name',
  ),
  DATABASE_POOL_SIZE: setting(
    integer(10, 2, 200),
    'Connections a service opens at most for its queries',
    '10',
  ),
  KAFKA_BROKERS: setting(
    optionalText().transform((value) => value?.split(',').map((broker) => broker.trim())),
    'Kafka brokers as host:port, comma-separated; without them projector and retention read the log',
  ),
  SCHEMA_REGISTRY_URL: setting(
    optionalText(),
    'Confluent-compatible schema registry; when set, Kafka values are Avro',
  ),
  KAFKA_TOPIC_PREFIX: setting(
    z
      .string()
      .max(100)
      .regex(/^[a-zA-Z0-9._-]*$/, 'may hold letters, digits, ".", "_" and "-"')
      .default(''),
    'Goes before every topic and consumer group, so that several systems share one Kafka',
  ),
  LOG_LEVEL: setting(z.enum(logLevels).default('info'), `One of ${logLevels.join(', ')}`, 'info'),
  MODELOG_ADMIN_KEY: setting(
    secret(),
    `The bootstrap admin key, at least ${secretCharactersMin} characters`,
    'generated once, kept in DATA_DIR/admin-key',
  ),
  MODELOG_SERVICE_KEY: setting(
    secret(),
    `The key with which retention asks the command API, at least ${secretCharactersMin} characters`,
    'generated at each start where all run in one process',
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
    optionalText().pipe(z.url({ protocol: /^https?$/ }).optional()),
    'OpenID Connect issuer whose tokens are taken beside keys',
  ),
  OIDC_AUDIENCE: setting(optionalText(), 'The audience that its tokens must name'),
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
      .enum(['true', 'false'])
      .default('false')
      .transform((value) => value === 'true'),
    'true: the issuer may be at a private address or speak plain HTTP',
    'false',
  ),
  COMMAND_API_URL: setting(
    text('http://127.0.0.1:8003'),
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

/** The settings of a service. */
export const pickSettings = <Name extends SettingName>(
  ...names: Name[]
): Pick<typeof allSettings, Name> =>
  Object.fromEntries(names.map((name) => [name, allSettings[name]])) as Pick<
    typeof allSettings,
    Name
  >;

/** What each service that answers callers reads of tokens and of their issuer. */
export const identitySettings = pickSettings(
  'SECRET_KEY',
  'ACCESS_TOKEN_EXPIRE_MINUTES',
  'OIDC_ISSUER',
  'OIDC_AUDIENCE',
  'OIDC_SUBJECT_CLAIM',
  'OIDC_TENANT_CLAIM',
  'OIDC_ROLES_CLAIM',
  'OIDC_TEAMS_CLAIM',
  'OIDC_ALLOW_PRIVATE',
);

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
  for (const [name, { schema }] of Object.entries(settings)) {
    const parsed = schema.safeParse(environment[name]);
    if (parsed.success) values[name] = parsed.data;
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
