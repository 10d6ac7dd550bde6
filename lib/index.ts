/** The public API: what programs, the command line among them, use. */

export { type Annotation, parseAnnotation } from './build/annotation.js';
export { type AttestOptions, parseAttest } from './build/attest-options.js';
export { type CacheUnit, cacheUnitKinds } from './build/cache-unit.js';
export type { CheckReport } from './build/check-report.js';
export type { BuildEvent, BuildStep } from './build/events.js';
export type { BuildResult } from './build/options.js';
export type { Described } from './build/outline.js';
export { type BuildOutput, parseOutput, registryOutput, storeOutput } from './build/output.js';
export type { PruneResult } from './build/prune.js';
export type { PrunePolicy } from './build/prune-choice.js';
export {
  checkIsolation,
  parseEntitlement,
  parseSecretFlag,
  parseSshFlag,
} from './build/run-flags.js';
export type { BuildSecret, BuildSsh, Entitlement, RunSettings } from './build/run-settings.js';
export { proxyArguments } from './build/scope.js';
export type { CheckOptions, CheckResult } from './check/check.js';
export type { FindingKind, StoreFinding } from './check/finding.js';
export { humanDuration } from './container/ages.js';
export type { LogEntry, LogOptions, LogPiece } from './container/logs.js';
export type { NamedLogEntry } from './container/merge-logs.js';
export { type PodStatus, type PodView, parseShare } from './container/pod.js';
export { parseNetwork, parseRunFlags, type RunFlags } from './container/run-flags.js';
export type { ExecOptions, RunOptions } from './container/run-options.js';
export type { NewSecret, Secret } from './container/secret-store.js';
export type { ContainerUsage } from './container/stats.js';
export type { ProcessTable } from './container/top.js';
export { type WaitCondition, waitConditions } from './container/wait-condition.js';
export { Coracle, openCoracle } from './coracle.js';
export { parseDuration } from './dockerfile/duration.js';
export { nearest } from './dockerfile/suggestion.js';
export type { DoctorReport, Finding } from './doctor/report.js';
export { CoracleError, type ErrorCode, hasErrno, ioError, renderError } from './errors.js';
export type { HistoryLine } from './image/image-history.js';
export type { ImageRecord } from './image/image-record.js';
export type { ImageSummary } from './image/image-summary.js';
export type { ImageUsage } from './image/image-usage.js';
export type { LayerNode } from './image/layer-tree.js';
export type { RemoveImagesResult } from './image/remove-images.js';
export type { Change } from './layer/layer-changes.js';
export { parseNetworkFlags } from './network/network-flags.js';
export type { PortMapping } from './network/network-plan.js';
export type { BundleProcess } from './oci/bundle-process.js';
export type { EntryChange } from './oci/index-edit.js';
export { familiarReference, parseReference } from './oci/reference.js';
export {
  type BundleRuntime,
  bundleFeatures,
  exampleBundleConfig,
  openBundleRuntime,
  parseBundleProcess,
} from './runtime/runtime.js';
export type { CgroupMode, CgroupRequest } from './sandbox/cgroup-place.js';
export { parseLimitFlags } from './sandbox/limit-flags.js';
export type { DeviceLimit, ResourceLimits } from './sandbox/limits.js';
export { parseSize } from './sandbox/sizes.js';
export type { Artifact } from './session/artifacts.js';
export type { ContainerSize } from './session/container-size.js';
export type { CopyImageRequest, CopyImageResult } from './session/copy-image.js';
export type { DiskUsage, UsageTotal } from './session/disk-usage.js';
export type { EventsRequest, StoreEvent } from './session/events.js';
export type { Inspection, InspectRequest } from './session/inspect.js';
export type { MountedContainer } from './session/mounts.js';
export type { NetworkUse, NetworkView } from './session/networks.js';
export type { CreatePodRequest } from './session/pods.js';
export type {
  PruneFilter,
  PruneImagesRequest,
  PruneImagesResult,
  SystemPruned,
  SystemPruneRequest,
} from './session/prune.js';
export type {
  AttachRequest,
  BuildRequest,
  CommitRequest,
  ContainerListing,
  CopyEnd,
  CopyRequest,
  ExecStarted,
  HostInformation,
  ImportRequest,
  ListRequest,
  LoginRequest,
  PullRequest,
  PushRequest,
  RemoveRequest,
  RestartRequest,
  RunningContainer,
  RunRequest,
  SaveRequest,
  StartRequest,
  StatsRequest,
  StopRequest,
  UpdateRequest,
  VersionInformation,
  WaitRequest,
} from './session/requests.js';
export type { ResetResult } from './session/reset.js';
export type { SearchRequest, SearchResult } from './session/search.js';
export type { OpenOptions } from './session/session.js';
export type { SignRequest } from './session/signer.js';
export type { TrustRule } from './session/trust.js';
export { coracleVersion } from './session/version.js';
export type { CreateVolumeRequest, RemoveVolumeRequest, VolumeView } from './session/volumes.js';
export type {
  WorkingCommitRequest,
  WorkingCopyRequest,
  WorkingFromRequest,
  WorkingRunRequest,
} from './session/working-requests.js';
export type { WorkingVerbs } from './session/working-verbs.js';
export type { TransferEvent } from './transfer/events.js';
export type { LoadedArtifact, LoadedContent } from './transfer/loaded-image.js';
export type { PullPolicy } from './transfer/pull.js';
export type { RegistryAccess } from './transfer/registry-access.js';
export type { ConfigChange } from './working/config-change.js';
export type { WorkingRecord, WorkingTexts } from './working/record.js';
