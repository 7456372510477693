import { type Certificate, checkUsable, verifyChain } from '@mini-spire/sdk/x509'

/** What {@link verifiedChains} checks: as for `verifyChain`. */
export interface VerifiedChainsOptions {
  /** Leaf first; the order of the others does not matter. */
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
  readonly now: Date
}

/**
 * Every certificate but the leaf that stands on a verified path from the leaf to a root, each once and the leaf's issuer
 * first: cross-signed intermediates may offer several paths, and all of them count. A leaf that is trusted itself needs no
 * path.
 *
 * @throws {X509Error} when no path leads to a root
 */
export function verifiedIssuers(options: VerifiedChainsOptions): readonly Certificate[] {
  const { chain, roots, now } = options
  const [leaf, ...others] = chain
  if (leaf && roots.some((root) => root.equals(leaf))) {
    checkUsable(leaf, now)
    return []
  }
  const found = new Map<string, Certificate>()
  const add = (path: readonly Certificate[]): void => {
    for (const one of path.slice(1)) found.set(keyOf(one), one)
  }
  add(verifyChain(options))
  for (const root of roots) {
    if (!found.has(keyOf(root))) tryPath(() => add(verifyChain({ chain, roots: [root], now })))
  }
  for (const middle of others) {
    if (!leaf || found.has(keyOf(middle))) continue
    tryPath(() => add(pathThrough(middle, { leaf, others, roots, now })))
  }
  return [...found.values()]
}

/** A path that has this certificate in the middle: found from both ends, then verified as a whole. */
function pathThrough(
  middle: Certificate,
  options: {
    readonly leaf: Certificate
    readonly others: readonly Certificate[]
    readonly roots: readonly Certificate[]
    readonly now: Date
  },
): readonly Certificate[] {
  const { leaf, others, roots, now } = options
  const below = verifyChain({ chain: [leaf, ...others], roots: [middle], now })
  const above = verifyChain({ chain: [middle, ...others], roots, now })
  const whole = verifyChain({
    chain: [...below, ...above.slice(1, -1)],
    roots: above.slice(-1),
    now,
  })
  return whole.some((one) => one.equals(middle)) ? whole : []
}

function tryPath(find: () => void): void {
  try {
    find()
  } catch {
    // No path this way; the ones that were found stand.
  }
}

function keyOf(certificate: Certificate): string {
  return Buffer.from(certificate.raw).toString('base64')
}
