import type { MetricKey } from './metrics.ts'

/** Services whose metric names SPIRE shortened by hand. */
const shortened: readonly (readonly [prefix: string, key: MetricKey])[] = [
  ['/SpiffeWorkloadAPI', ['workload_api']],
  ['/envoy.service.secret.v3.SecretDiscoveryService', ['sds', 'v3']],
  ['/spire.api.agent.delegatedidentity.v1.DelegatedIdentity', ['delegated_identity']],
  ['/spire.agent.debug.v1.Debug', ['debug']],
  ['/spire.api.agent.logger.v1.Logger', ['logger']],
  ['/spire.api.server.logger.v1.Logger', ['logger']],
  ['/grpc.health.v1.Health', ['health']],
]

/** Methods whose words the rule would split badly. */
const irregular: Readonly<Record<string, string>> = {
  SubscribeToX509SVIDs: 'subscribe_to_x509_svids',
}

/**
 * The key of a method's call metric: `rpc.agent.v1.agent.attest_agent`. Words are split as SPIRE splits them, which
 * yields `fetch_x509svid` and `fetch_jwtsvi_ds`.
 */
export function rpcMetricKey(path: string): MetricKey {
  return ['rpc', ...methodParts(path)]
}

/** The key of what a method waited for its rate limit: `rateLimit.agent.v1.agent.attest_agent`. */
export function rateLimitMetricKey(path: string): MetricKey {
  return ['rateLimit', ...methodParts(path)]
}

/** Keys of methods, each made once. For the methods that are served only: it keeps what it is asked for. */
export class MetricKeys {
  readonly #make: (path: string) => MetricKey
  readonly #known = new Map<string, MetricKey>()

  /** @param make {@link rpcMetricKey} or {@link rateLimitMetricKey} */
  constructor(make: (path: string) => MetricKey) {
    this.#make = make
  }

  get(path: string): MetricKey {
    const known = this.#known.get(path)
    if (known) return known
    const key = this.#make(path)
    this.#known.set(path, key)
    return key
  }
}

function methodParts(path: string): readonly string[] {
  const slash = path.lastIndexOf('/')
  const service = path.slice(0, slash)
  const name = path.slice(slash + 1)
  const method = irregular[name] ?? snakeCase(name)
  const known = shortened.find(([prefix]) => prefix === service)
  if (known) return [...known[1], method]
  const parts = service.replace(/^\/(spire\.api\.server\.)?/, '').split('.')
  return [...parts.map(snakeCase), method]
}

/**
 * `AttestAgent` → `attest_agent`, `NewJWTSVID` → `new_jwtsvid`: a capital starts a word when a small letter stands
 * before or after it, and never as the last one. Anything but letters and digits becomes `_`.
 */
export function snakeCase(word: string): string {
  let out = ''
  for (const [index, char] of [...word].entries()) {
    if (!/[\p{L}\p{N}]/u.test(char)) {
      out += '_'
      continue
    }
    const lower = char.toLowerCase()
    const [before = '', after = ''] = [word[index - 1], word[index + 1]]
    const isNewWord = lower !== char && index > 0 && after !== '' && isSmall(before, after)
    out += isNewWord && !out.endsWith('_') ? `_${lower}` : lower
  }
  return out
}

function isSmall(...letters: readonly string[]): boolean {
  return letters.some((letter) => /\p{Ll}/u.test(letter))
}
