/** Configs of images as the tools that made them may be compared by. */
import type { ContainerConfig } from '../../lib/oci/container-config.js';

/** The fields a Dockerfile sets, empty ones left out. */
export function comparableConfig(
  config: ContainerConfig,
  ignored: readonly string[],
): Record<string, unknown> {
  const {
    Env,
    Cmd,
    Entrypoint,
    WorkingDir,
    User,
    ExposedPorts,
    Volumes,
    Labels,
    StopSignal,
    Shell,
    Healthcheck,
    OnBuild,
  } = config;
  const fields = {
    Cmd,
    Entrypoint,
    WorkingDir,
    User,
    ExposedPorts,
    Volumes,
    Labels,
    StopSignal,
    Shell,
    Healthcheck,
    OnBuild,
  };
  const isSet = (value: unknown): boolean =>
    value !== undefined &&
    value !== null &&
    value !== '' &&
    JSON.stringify(value) !== '{}' &&
    JSON.stringify(value) !== '[]';
  return {
    ...Object.fromEntries(
      Object.entries(fields).filter(([name, value]) => isSet(value) && !ignored.includes(name)),
    ),
    Env: [...(Env ?? [])].sort(),
  };
}
