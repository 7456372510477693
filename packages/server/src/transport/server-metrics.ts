import type { Clock } from '@mini-spire/runtime/clock'
import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import {
  type KeyManagerObserver,
  MeasuredKeyManager,
} from '@mini-spire/runtime/key-manager/measured-key-manager'
import {
  type Metrics,
  measureCall,
  noMetrics,
  timeCall,
} from '@mini-spire/runtime/telemetry/metrics'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import { GrpcStatus, grpcStatusFromKind } from '@mini-spire/sdk/grpc-status'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { CaMetrics } from '../ca/ca-metrics.ts'
import type { PruningOutcome } from '../ca/maintenance.ts'
import type { ServerSvidSigner } from './server-svid.ts'

/** Counts what becomes of the server's authorities under SPIRE's names. */
export function caMetrics(metrics: Metrics, trustDomain: TrustDomain, clock: Clock): CaMetrics {
  const labels = { trust_domain_id: trustDomain.name }
  return {
    prepared: (kind, { durationMs, error }) => {
      const key = ['ca', 'manager', kind, 'prepare']
      measureCall(metrics, { key, durationMs, code: codeOf(error) })
    },
    activated: (kind, { notAfterSeconds }) => {
      if (kind !== 'x509_ca') {
        metrics.count(['manager', kind, 'activate'])
        return
      }
      metrics.count(['ca', 'manager', 'x509_ca', 'activate'])
      const rotate = ['manager', 'x509_ca', 'rotate']
      metrics.gauge([...rotate, 'expiration'], notAfterSeconds, labels)
      metrics.gauge([...rotate, 'ttl'], notAfterSeconds - clock.nowMs() / 1000, labels)
    },
  }
}

/** Counts the calls of the key manager; when nobody scrapes, it is used as it is. */
export function measuredKeys(metrics: Metrics, keys: KeyManager, clock: Clock): KeyManager {
  if (metrics === noMetrics) return keys
  const observe: KeyManagerObserver = (call, { durationMs, error }) =>
    measureCall(metrics, { key: ['server_key_manager', call], durationMs, code: codeOf(error) })
  return new MeasuredKeyManager({ keys, clock, observe })
}

/** Counts a run of the pruning of the own bundle or the journals; SPIRE has one name for both. */
export function countPruning(
  metrics: Metrics,
  { durationMs, isChanged, error }: PruningOutcome,
): void {
  measureCall(metrics, {
    key: ['ca', 'manager', 'bundle', 'prune'],
    durationMs,
    code: codeOf(error),
  })
  if (isChanged) metrics.count(['ca', 'manager', 'bundle', 'pruned'])
}

/** The status that metrics give a failure; `OK` for none. */
export function codeOf(error: unknown): number {
  if (error === undefined) return GrpcStatus.OK
  return isSpiffeError(error) ? grpcStatusFromKind(error.kind) : GrpcStatus.Unknown
}

/** A signer of the server's own SVID whose calls are counted. */
export function measuredSigner(
  metrics: Metrics,
  signer: ServerSvidSigner,
  clock: Clock,
): ServerSvidSigner {
  return {
    issueServerSvid: (request) =>
      timeCall(metrics, clock, ['svid', 'rotate'], () => signer.issueServerSvid(request)),
  }
}
