/** `--provenance`, `--sbom` and `--attest` as data. https://docs.docker.com/build/metadata/attestations/ */
import { parseCsv } from '../dockerfile/csv.js';
import { CoracleError } from '../errors.js';

export type ProvenanceOptions = {
  /** `max` adds build arguments, the Dockerfile and the steps. */
  readonly mode: 'min' | 'max';
  readonly builderId: string;
  readonly reproducible: boolean;
  readonly version: 'v0.2' | 'v1';
};

export type AttestOptions = {
  readonly provenance?: ProvenanceOptions | undefined;
  readonly sbom?: boolean | undefined;
};

const defaults: ProvenanceOptions = { mode: 'min', builderId: '', reproducible: false, version: 'v1' };

/**
 * Folds the flags, `--attest` first as in buildx: a later one of a kind replaces an earlier one.
 * @throws USAGE, UNSUPPORTED for a generator that would have to be run.
 */
export function parseAttest(flags: {
  readonly attest: readonly string[];
  readonly provenance?: string | undefined;
  readonly sbom?: string | undefined;
}): AttestOptions {
  let options: AttestOptions = {};
  for (const text of flags.attest) options = { ...options, ...parseAttestation(text) };
  if (flags.provenance !== undefined)
    options = {
      ...options,
      provenance: parseProvenance(attributesOf('--provenance', flags.provenance), flags.provenance),
    };
  if (flags.sbom !== undefined)
    options = { ...options, sbom: parseSbom(attributesOf('--sbom', flags.sbom), flags.sbom) };
  return options;
}

type Attributes = Map<string, string>;

function parseAttestation(text: string): AttestOptions {
  const attributes = attributesOf('--attest', text);
  const type = attributes.get('type');
  attributes.delete('type');
  switch (type) {
    case 'provenance':
      return { provenance: parseProvenance(attributes, text) };
    case 'sbom':
      return { sbom: parseSbom(attributes, text) };
    default:
      throw bad('--attest', text, 'expected type=provenance or type=sbom');
  }
}

function parseProvenance(attributes: Attributes, text: string): ProvenanceOptions | undefined {
  const enabled = takeEnabled(attributes, text);
  const take = takeFrom(attributes);
  const mode = take('mode') ?? defaults.mode;
  const version = take('version') ?? defaults.version;
  const reproducible = readSwitch(take('reproducible') ?? 'false', text);
  const builderId = take('builder-id') ?? defaults.builderId;
  refuseRest(attributes, text);
  if (mode !== 'min' && mode !== 'max') throw bad('--provenance', text, `mode is min or max, not ${mode}`);
  if (version !== 'v1' && version !== 'v0.2')
    throw bad('--provenance', text, `version is v1 or v0.2, not ${version}`);
  return enabled ? { mode, version, reproducible, builderId } : undefined;
}

function parseSbom(attributes: Attributes, text: string): boolean {
  const enabled = takeEnabled(attributes, text);
  const generator = takeFrom(attributes)('generator');
  if (generator !== undefined) {
    throw new CoracleError('UNSUPPORTED', `use SBOM generator ${generator}: generators are not run`, {
      hint: 'leave generator out: the package databases of the image are read',
    });
  }
  refuseRest(attributes, text);
  return enabled;
}

/** `true`, `false`, `disabled=BOOL` or attributes alone. */
function takeEnabled(attributes: Attributes, text: string): boolean {
  for (const [word, value] of [
    ['true', true],
    ['1', true],
    ['false', false],
    ['0', false],
  ] as const) {
    if (attributes.get(word) !== '') continue;
    attributes.delete(word);
    return value;
  }
  const disabled = takeFrom(attributes)('disabled');
  return disabled === undefined || !readSwitch(disabled, text);
}

function takeFrom(attributes: Attributes): (name: string) => string | undefined {
  return (name) => {
    const value = attributes.get(name);
    attributes.delete(name);
    return value;
  };
}

function attributesOf(flag: string, text: string): Attributes {
  const csv = parseCsv(text === '' ? 'true' : text);
  if ('error' in csv) throw bad(flag, text, csv.error);
  return new Map(
    csv.fields.map((field) => {
      const equals = field.indexOf('=');
      return equals < 0
        ? ([field, ''] as const)
        : ([field.slice(0, equals), field.slice(equals + 1)] as const);
    }),
  );
}

function readSwitch(value: string, text: string): boolean {
  if (['', 'true', '1'].includes(value)) return true;
  if (['false', '0'].includes(value)) return false;
  throw bad('--attest', text, `${value} is neither true nor false`);
}

function refuseRest(attributes: Attributes, text: string): void {
  const [name] = attributes.keys();
  if (name !== undefined) throw bad('--attest', text, `unknown attribute ${name}`);
}

function bad(flag: string, text: string, reason: string): CoracleError {
  return new CoracleError('USAGE', `invalid argument ${JSON.stringify(text)} for ${flag}: ${reason}`, {
    hint: 'for example --provenance=mode=max, --provenance=false, --sbom=true, --attest type=provenance,mode=max',
  });
}
