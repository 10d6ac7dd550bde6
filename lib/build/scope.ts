/**
 * Which variables a Dockerfile's words see: global ARGs for FROM, then per stage the base's environment, ARGs from
 * their declaration on, and ENVs. A later word wins; only ENV reaches the image.
 * https://docs.docker.com/reference/dockerfile/#scope
 */
import { formatPlatform, type Platform } from '../oci/platform.js';

/** Predefined and passed on to RUN without declaration; kept out of history and cache keys. */
export const proxyArguments: readonly string[] = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'FTP_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
].flatMap((name) => [name, name.toLowerCase()]);

/**
 * The ARGs every file may use in FROM, and in a stage once it declares them: the machine that builds, the one the
 * image is for, the target's name. A build argument of the same name takes their place.
 */
export function predefinedArguments(
  platforms: { readonly build: Platform; readonly target: Platform },
  stage: string | undefined,
  given: Readonly<Record<string, string>> = {},
): ReadonlyMap<string, string> {
  const name = stage === undefined || stage === '' ? 'default' : stage;
  const values = [
    ...named('BUILD', platforms.build),
    ...named('TARGET', platforms.target),
    ['TARGETSTAGE', name] as const,
  ];
  return new Map(values.map(([key, value]) => [key, given[key] ?? value]));
}

function named(prefix: string, platform: Platform): readonly (readonly [string, string])[] {
  return [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, ''],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ];
}

/** The variables of one stage while its instructions are read. */
export class Scope {
  /** ENVs and ARGs in the order they were set, as RUN gets them. */
  readonly #variables = new Map<string, string>();
  /** ENVs alone, as the image gets them. */
  readonly #environment = new Map<string, string>();
  readonly #declared = new Map<string, string | undefined>();

  constructor(environment: readonly string[] = []) {
    for (const entry of environment) {
      const equals = entry.indexOf('=');
      if (equals > 0) this.setEnvironment(entry.slice(0, equals), entry.slice(equals + 1));
    }
  }

  /** A stage FROM another one goes on with that one's ARGs. */
  static inherited(parent: Scope): Scope {
    const scope = new Scope();
    for (const [name, value] of parent.#variables) scope.#variables.set(name, value);
    for (const [name, value] of parent.#environment) scope.#environment.set(name, value);
    for (const [name, value] of parent.#declared) scope.#declared.set(name, value);
    return scope;
  }

  setEnvironment(name: string, value: string): void {
    this.#variables.set(name, value);
    this.#environment.set(name, value);
  }

  /** An ARG; without a value it is known but unset. */
  declare(name: string, value: string | undefined): void {
    this.#declared.set(name, value);
    if (value !== undefined) this.#variables.set(name, value);
  }

  lookup(name: string): string | undefined {
    return this.#variables.get(name);
  }

  has(name: string): boolean {
    return this.#variables.has(name) || this.#declared.has(name);
  }

  /** Everything a RUN sees, `NAME=value`. */
  variables(): readonly string[] {
    return [...this.#variables].map(([name, value]) => `${name}=${value}`);
  }

  variableMap(): ReadonlyMap<string, string> {
    return this.#variables;
  }

  /** What the image keeps, `NAME=value`. */
  environment(): readonly string[] {
    return [...this.#environment].map(([name, value]) => `${name}=${value}`);
  }

  /** Every name that is known, set or not. */
  names(): readonly string[] {
    return [...new Set([...this.#variables.keys(), ...this.#declared.keys()])];
  }

  /** The declared ARGs as history shows them in front of a RUN: an ENV of the name wins, an unset one is empty. */
  arguments(): readonly string[] {
    return [...this.#declared].map(([name, value]) => `${name}=${this.#variables.get(name) ?? value ?? ''}`);
  }
}
