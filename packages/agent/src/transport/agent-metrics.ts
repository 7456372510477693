import type { Clock } from '@mini-spire/runtime/clock'
import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import {
  type KeyManagerCall,
  MeasuredKeyManager,
} from '@mini-spire/runtime/key-manager/measured-key-manager'
import {
  type Metrics,
  measureCall,
  noMetrics,
  statusOf,
} from '@mini-spire/runtime/telemetry/metrics'

/** What SPIRE's agent calls the calls of its key manager; it does not count signatures. */
const keyManagerKeys: Readonly<Partial<Record<KeyManagerCall, readonly string[]>>> = {
  generate_key: ['agent_key_manager', 'generate_key'],
  get_public_key: ['agent_key_manager', 'get_key'],
  get_public_keys: ['agent_key_manager', 'get_keys'],
}

/** Counts the calls of the key manager; when nobody scrapes, it is used as it is. */
export function measuredKeys(metrics: Metrics, keys: KeyManager, clock: Clock): KeyManager {
  if (metrics === noMetrics) return keys
  return new MeasuredKeyManager({
    keys,
    clock,
    observe: (call, { durationMs, error }) => {
      const key = keyManagerKeys[call]
      const code = error === undefined ? 0 : statusOf(error)
      if (key) measureCall(metrics, { key, durationMs, code })
    },
  })
}
