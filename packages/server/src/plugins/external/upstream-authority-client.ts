import type { ExternalPlugin } from '@mini-spire/runtime/plugin-host/external-plugin'
import { UpstreamAuthorityService } from '@mini-spire/runtime/proto/spire/plugin/server/upstreamauthority/v1/upstreamauthority'
import type { JWTKey } from '@mini-spire/runtime/proto/spire/plugin/types/jwtkey'
import type { X509Certificate } from '@mini-spire/runtime/proto/spire/plugin/types/x509certificate'
import type { JwtAuthority, X509Authority } from '../../model/trust-bundle.ts'
import type {
  MintedX509Ca,
  MintX509CaRequest,
  PublishedJwtKeys,
  UpstreamAuthority,
  UpstreamBundle,
} from '../upstream-authority/upstream-authority.ts'
import { jwtAuthorityFromPluginProto, x509AuthorityFromPluginProto } from './authority-convert.ts'
import { jwtAuthorityToPluginProto } from './bundle-convert.ts'

/** The service that a plugin needs to have to be an upstream authority. */
export const upstreamAuthorityService = 'spire.plugin.server.upstreamauthority.v1.UpstreamAuthority'

/** An upstream authority in another process. */
export class ExternalUpstreamAuthority implements UpstreamAuthority {
  readonly name: string
  readonly #plugin: ExternalPlugin

  constructor(plugin: ExternalPlugin) {
    this.name = plugin.name
    this.#plugin = plugin
  }

  /**
   * @throws {PluginCallError} what the plugin refused with
   * @throws {PluginError} `ERR_PLUGIN_STOPPED`, `ERR_PLUGIN_RESPONSE`
   */
  async mintX509Ca(request: MintX509CaRequest, signal: AbortSignal): Promise<MintedX509Ca> {
    const { csr, preferredTtlSeconds: preferredTtl } = request
    const stream = this.#plugin
      .client(UpstreamAuthorityService)
      .mintX509CaAndSubscribe({ csr, preferredTtl }, { signal })
    const [first, rest] = await this.#firstOf(stream)
    const chain = first.x509CaChain.map(({ asn1 }) => asn1)
    if (chain.length === 0) {
      throw this.#plugin.badAnswer('plugin response missing X.509 CA chain')
    }
    return {
      chain,
      roots: this.#roots(first.upstreamX509Roots),
      rootUpdates: mapped(rest, ({ upstreamX509Roots }) => this.#roots(upstreamX509Roots)),
    }
  }

  /** As {@link ExternalUpstreamAuthority.mintX509Ca}; of kind `unimplemented` when the plugin cannot. */
  async publishJwtKey(key: JwtAuthority, signal: AbortSignal): Promise<PublishedJwtKeys> {
    const stream = this.#plugin
      .client(UpstreamAuthorityService)
      .publishJwtKeyAndSubscribe({ jwtKey: jwtAuthorityToPluginProto(key) }, { signal })
    const [first, rest] = await this.#firstOf(stream)
    return {
      keys: this.#keys(first.upstreamJwtKeys),
      keyUpdates: mapped(rest, ({ upstreamJwtKeys }) => this.#keys(upstreamJwtKeys)),
    }
  }

  subscribeToLocalBundle(signal: AbortSignal): AsyncIterable<UpstreamBundle> {
    const stream = this.#plugin
      .client(UpstreamAuthorityService)
      .subscribeToLocalBundle({}, { signal })
    return mapped(
      this.#plugin.answers(stream),
      ({ upstreamX509Roots: roots, upstreamJwtKeys: keys }) => ({
        roots: this.#roots(roots),
        keys: this.#keys(keys),
      }),
    )
  }

  /** The plugin is unloaded by whoever loaded it. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve()
  }

  /** The first answer of a stream, and those that come later. */
  async #firstOf<T>(stream: AsyncIterable<T>): Promise<readonly [T, AsyncIterable<T>]> {
    const answers = this.#plugin.answers(stream)
    const first = await answers.next()
    if (first.done) throw this.#plugin.badAnswer('plugin closed stream unexpectedly')
    return [first.value, answers]
  }

  #roots(certificates: readonly X509Certificate[]): readonly X509Authority[] {
    if (certificates.length === 0) {
      throw this.#plugin.badAnswer('plugin response missing upstream X.509 roots')
    }
    return certificates.map((certificate) => {
      const authority = x509AuthorityFromPluginProto(certificate)
      if (authority) return authority
      throw this.#plugin.badAnswer('plugin response has malformed upstream X.509 roots')
    })
  }

  #keys(keys: readonly JWTKey[]): readonly JwtAuthority[] {
    return keys.map((key) => {
      const authority = jwtAuthorityFromPluginProto(key)
      if (authority) return authority
      throw this.#plugin.badAnswer('invalid plugin response: malformed upstream JWT key')
    })
  }
}

async function* mapped<A, B>(
  from: AsyncIterable<A>,
  change: (value: A) => B,
): AsyncGenerator<B, void, undefined> {
  for await (const value of from) yield change(value)
}
