/**
 * The build checks: one record a rule, under BuildKit's names and with its words, so that `# check=skip=` lines and the
 * tools that read the results work here too.
 * https://docs.docker.com/reference/build-checks/
 */

type Format = (...values: readonly string[]) => string;

export type Rule<F extends Format = Format> = {
  readonly name: string;
  readonly description: string;
  /** Absent where the rule has no page. */
  readonly url?: string;
  /** Runs only where `experimental=` asks for it. */
  readonly experimental: boolean;
  /** The message of one finding. */
  readonly format: F;
};

const pages = 'https://docs.docker.com/go/dockerfile/rule/';

function rule<F extends Format>(
  name: string,
  page: string | undefined,
  description: string,
  format: F,
): Rule<F> {
  return {
    name,
    description,
    ...(page === undefined ? {} : { url: `${pages}${page}/` }),
    experimental: false,
    format,
  };
}

function experimental<F extends Format>(of: Rule<F>): Rule<F> {
  return { ...of, experimental: true };
}

/** As Go's `%q` for what a Dockerfile's words hold. */
const quoted = (text: string): string => JSON.stringify(text);
const didYouMean = (suggestion: string): string =>
  suggestion === '' ? '' : ` (did you mean ${suggestion}?)`;

/** All rules by name. */
export const rules = {
  StageNameCasing: rule(
    'StageNameCasing',
    'stage-name-casing',
    'Stage names should be lowercase',
    (stage: string) => `Stage name '${stage}' should be lowercase`,
  ),
  FromAsCasing: rule(
    'FromAsCasing',
    'from-as-casing',
    "The 'as' keyword should match the case of the 'from' keyword",
    (from: string, as: string) => `'${as}' and '${from}' keywords' casing do not match`,
  ),
  NoEmptyContinuation: rule(
    'NoEmptyContinuation',
    'no-empty-continuation',
    'Empty continuation lines will become errors in a future release',
    () => 'Empty continuation line',
  ),
  ConsistentInstructionCasing: rule(
    'ConsistentInstructionCasing',
    'consistent-instruction-casing',
    'All commands within the Dockerfile should use the same casing (either upper or lower)',
    (command: string, casing: string) =>
      `Command '${command}' should match the case of the command majority (${casing})`,
  ),
  DuplicateStageName: rule(
    'DuplicateStageName',
    'duplicate-stage-name',
    'Stage names should be unique',
    (stage: string) => `Duplicate stage name ${quoted(stage)}, stage names should be unique`,
  ),
  ReservedStageName: rule(
    'ReservedStageName',
    'reserved-stage-name',
    'Reserved words should not be used as stage names',
    (stage: string) => `Stage name should not use the same name as reserved stage ${quoted(stage)}`,
  ),
  JSONArgsRecommended: rule(
    'JSONArgsRecommended',
    'json-args-recommended',
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
    (command: string) =>
      `JSON arguments recommended for ${command} to prevent unintended behavior related to OS signals`,
  ),
  MaintainerDeprecated: rule(
    'MaintainerDeprecated',
    'maintainer-deprecated',
    'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
    () => 'Maintainer instruction is deprecated in favor of using label',
  ),
  UndefinedArgInFrom: rule(
    'UndefinedArgInFrom',
    'undefined-arg-in-from',
    'FROM command must use declared ARGs',
    (name: string, suggestion: string) => `FROM argument '${name}' is not declared${didYouMean(suggestion)}`,
  ),
  WorkdirRelativePath: rule(
    'WorkdirRelativePath',
    'workdir-relative-path',
    'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
    (path: string) =>
      `Relative workdir ${quoted(path)} can have unexpected results if the base image changes`,
  ),
  UndefinedVar: rule(
    'UndefinedVar',
    'undefined-var',
    'Variables should be defined before their use',
    (name: string, suggestion: string) =>
      `Usage of undefined variable '$${name}'${didYouMean(suggestion === '' ? '' : `$${suggestion}`)}`,
  ),
  MultipleInstructionsDisallowed: rule(
    'MultipleInstructionsDisallowed',
    'multiple-instructions-disallowed',
    'Multiple instructions of the same type should not be used in the same stage',
    (command: string) =>
      `Multiple ${command} instructions should not be used in the same stage because only the last one will be used`,
  ),
  LegacyKeyValueFormat: rule(
    'LegacyKeyValueFormat',
    'legacy-key-value-format',
    'Legacy key/value format with whitespace separator should not be used',
    (command: string) =>
      `"${command} key=value" should be used instead of legacy "${command} key value" format`,
  ),
  InvalidBaseImagePlatform: rule(
    'InvalidBaseImagePlatform',
    undefined,
    'Base image platform does not match expected target platform',
    (image: string, expected: string, actual: string) =>
      `Base image ${image} was pulled with platform ${quoted(actual)}, expected ${quoted(expected)} for current build`,
  ),
  RedundantTargetPlatform: rule(
    'RedundantTargetPlatform',
    'redundant-target-platform',
    'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
    (written: string) =>
      `Setting platform to predefined ${written} in FROM is redundant as this is the default behavior`,
  ),
  SecretsUsedInArgOrEnv: rule(
    'SecretsUsedInArgOrEnv',
    'secrets-used-in-arg-or-env',
    'Sensitive data should not be used in the ARG or ENV commands',
    (command: string, key: string) =>
      `Do not use ARG or ENV instructions for sensitive data (${command} ${quoted(key)})`,
  ),
  InvalidDefaultArgInFrom: rule(
    'InvalidDefaultArgInFrom',
    'invalid-default-arg-in-from',
    'Default value for global ARG results in an empty or invalid base image name',
    (base: string) => `Default value for ARG ${base} results in empty or invalid base image name`,
  ),
  FromPlatformFlagConstDisallowed: rule(
    'FromPlatformFlagConstDisallowed',
    'from-platform-flag-const-disallowed',
    'FROM --platform flag should not use a constant value',
    (platform: string) => `FROM --platform flag should not use constant value ${quoted(platform)}`,
  ),
  CopyIgnoredFile: rule(
    'CopyIgnoredFile',
    'copy-ignored-file',
    'Attempting to Copy file that is excluded by .dockerignore',
    (command: string, file: string) =>
      `Attempting to ${command} file ${quoted(file)} that is excluded by .dockerignore`,
  ),
  InvalidDefinitionDescription: experimental(
    rule(
      'InvalidDefinitionDescription',
      'invalid-definition-description',
      'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
      (command: string, name: string) =>
        `Comment for ${command} should follow the format: \`# ${name} <description>\``,
    ),
  ),
  ExposeProtoCasing: rule(
    'ExposeProtoCasing',
    'expose-proto-casing',
    'Protocol in EXPOSE instruction should be lowercase',
    (port: string) => `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
  ),
  ExposeInvalidFormat: rule(
    'ExposeInvalidFormat',
    'expose-invalid-format',
    'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
    (port: string) =>
      `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
  ),
} as const;

export type RuleName = keyof typeof rules;

/** The rule of that name; undefined where there is none. */
export function findRule(name: string): Rule | undefined {
  return Object.hasOwn(rules, name) ? rules[name as RuleName] : undefined;
}
