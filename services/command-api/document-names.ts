// The documents' names of fields: which canonical field each one stands for, and how a body in either becomes a canonical one.
import { z } from 'zod';
import { sameJson } from '#events/model/same-json.ts';

/** A name that a document has for a field, or for a key within a field, and what may be written under it. */
type DocumentName = { path: string; field: string; key: string | undefined; schema: z.ZodType };
type DocumentNames = Readonly<Record<string, DocumentName>>;

/** @param path the canonical field, as `label`, or a key within it, as `content_digest.sha256` */
export function standsFor(path: string, schema: z.ZodType): DocumentName {
  const [field, key] = path.split('.');
  return { path, field: field!, key, schema };
}

/** A body with what it needs there, and without the documents' names. */
type Canonical<Shape extends z.ZodRawShape, Needed extends keyof Shape> = Omit<
  z.output<z.ZodObject<Shape>>,
  Needed
> & { [Field in Needed]: NonNullable<z.output<Shape[Field]>> };

type Written = Readonly<Record<string, unknown>>;
type Clash = { name: string; message: string };

const isRecord = (value: unknown): value is Written =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** What stands in a canonical field, or under the key within it. */
const valueAt = (body: Written, { field, key }: DocumentName): unknown => {
  const value = body[field];
  if (key === undefined) return value;
  return isRecord(value) ? value[key] : undefined;
};

/** Nearly every body uses none, and finding that out must cost next to nothing. */
function usesNames(body: Written, names: DocumentNames): boolean {
  for (const field in body) if (Object.hasOwn(names, field)) return true;
  return false;
}

const none: Clash[] = [];

/** The body in canonical names, and where two names of one field differ. A field that is null is not given. */
function translate(body: Written, names: DocumentNames): { canonical: Written; clashes: Clash[] } {
  if (!usesNames(body, names)) return { canonical: body, clashes: none };
  const clashes: Clash[] = [];
  const canonical: Record<string, unknown> = Object.fromEntries(
    Object.entries(body).filter(([field]) => !Object.hasOwn(names, field)),
  );
  for (const [name, meant] of Object.entries(names)) {
    const value = body[name];
    if (!isGiven(value)) continue;
    const stated = valueAt(canonical, meant);
    if (isGiven(stated)) {
      if (!sameJson(stated, value))
        clashes.push({
          name,
          message: `and ${meant.path} are one field, and must not differ`,
        });
      continue;
    }
    const { field, key } = meant;
    const around = canonical[field];
    if (key === undefined) canonical[field] = value;
    else canonical[field] = { ...(isRecord(around) ? around : {}), [key]: value };
  }
  return { canonical, clashes };
}

/**
 * The schema of a body whose fields may be written by their own names or by those of the documents; what comes of it has
 * their own names only. What is refused: two names of one field that differ, and a needed field that no name gives.
 */
export function namedBody<
  Shape extends z.ZodRawShape,
  const Needed extends keyof Shape & string = never,
>(shape: Shape, names: DocumentNames, needed: readonly Needed[] = []) {
  const documented = Object.entries(names).map(([name, { path, schema }]) => [
    name,
    schema.nullish().describe(`A document's name of \`${path}\``),
  ]);
  const named = z.strictObject({
    ...shape,
    ...(Object.fromEntries(documented) as Record<string, z.ZodType>),
  });
  const check = (body: Written, context: z.RefinementCtx): void => {
    const { canonical, clashes } = translate(body, names);
    for (const { name, message } of clashes)
      context.addIssue({ code: 'custom', path: [name], message });
    for (const field of needed)
      if (!isGiven(canonical[field]))
        context.addIssue({ code: 'custom', path: [field], message: 'is needed' });
  };
  // beside all other faults, so that one answer names every one
  const checked = named.superRefine(check, { when: ({ value }) => isRecord(value) });
  return quickIfSound(checked, () => named.superRefine(check))
    .transform((body) => translate(body, names).canonical as Canonical<Shape, Needed>)
    .meta(neededAs(needed, names));
}

/** In the reference of the API: each needed field, under any of its names. */
const neededAs = (needed: readonly string[], names: DocumentNames): Record<string, unknown> =>
  needed.length === 0
    ? {}
    : {
        allOf: needed.map((field) => ({
          anyOf: [field, ...Object.keys(names).filter((name) => names[name]!.path === field)].map(
            (name) => ({ required: [name] }),
          ),
        })),
      };

/**
 * The schema, with what is sound told by compiled code, which takes half the time and memory. zod compiles no check that looks
 * beside other faults, so what is compiled is another schema that takes the same, and faults are told by the schema itself.
 */
function quickIfSound<Schema extends z.ZodType>(
  schema: Schema,
  takesTheSame: () => z.ZodType,
): Schema {
  let compiled: z.ZodType | null = null;
  const { run } = schema._zod;
  schema._zod.run = (payload, context) => {
    compiled ??= z.compile(takesTheSame());
    const tried = compiled._zod.run({ value: payload.value, issues: [] }, context);
    if (tried instanceof Promise || tried.issues.length > 0) return run(payload, context);
    payload.value = tried.value;
    return payload;
  };
  return schema;
}
