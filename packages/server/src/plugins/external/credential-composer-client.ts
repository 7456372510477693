import type { ClientOf } from '@mini-spire/runtime/grpc/client'
import type { ExternalPlugin } from '@mini-spire/runtime/plugin-host/external-plugin'
import {
  CredentialComposerService,
  type X509CAAttributes,
  type X509SVIDAttributes,
} from '@mini-spire/runtime/proto/spire/plugin/server/credentialcomposer/v1/credentialcomposer'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type {
  ComposedIdentity,
  CredentialComposer,
  JwtSvidClaims,
  X509CaAttributes,
  X509SvidAttributes,
} from '../credential-composer/credential-composer.ts'
import {
  caAttributesFromProto,
  caAttributesToProto,
  svidAttributesFromProto,
  svidAttributesToProto,
} from './attributes-convert.ts'

/** The service that a plugin needs to have to be a credential composer. */
export const credentialComposerService =
  'spire.plugin.server.credentialcomposer.v1.CredentialComposer'

type ComposerClient = ClientOf<typeof CredentialComposerService>

const timeoutMs = 60_000

/** A credential composer in another process. A hook that it does not implement changes nothing, nor does an empty answer. */
export class ExternalCredentialComposer implements CredentialComposer {
  readonly name: string
  readonly #plugin: ExternalPlugin

  constructor(plugin: ExternalPlugin) {
    this.name = plugin.name
    this.#plugin = plugin
  }

  async composeServerX509Ca(before: X509CaAttributes): Promise<X509CaAttributes> {
    const attributes: X509CAAttributes = caAttributesToProto(before)
    const answer = await this.#ask((client) =>
      client.composeServerX509Ca({ attributes }, { timeoutMs }),
    )
    return answer?.attributes ? caAttributesFromProto(answer.attributes) : before
  }

  async composeServerX509Svid(before: X509SvidAttributes): Promise<X509SvidAttributes> {
    return await this.#composeSvid(before, (client, attributes) =>
      client.composeServerX509Svid({ attributes }, { timeoutMs }),
    )
  }

  async composeAgentX509Svid(
    agent: ComposedIdentity,
    before: X509SvidAttributes,
  ): Promise<X509SvidAttributes> {
    return await this.#composeSvid(before, (client, attributes) =>
      client.composeAgentX509Svid({ ...identityToProto(agent), attributes }, { timeoutMs }),
    )
  }

  async composeWorkloadX509Svid(
    workload: ComposedIdentity,
    before: X509SvidAttributes,
  ): Promise<X509SvidAttributes> {
    return await this.#composeSvid(before, (client, attributes) =>
      client.composeWorkloadX509Svid({ ...identityToProto(workload), attributes }, { timeoutMs }),
    )
  }

  async composeWorkloadJwtSvid(
    { spiffeId }: { readonly spiffeId: SpiffeId },
    before: JwtSvidClaims,
  ): Promise<JwtSvidClaims> {
    const attributes = { claims: { ...before } }
    const answer = await this.#ask((client) =>
      client.composeWorkloadJwtsvid({ attributes, spiffeId: spiffeId.toString() }, { timeoutMs }),
    )
    return answer?.attributes?.claims ?? before
  }

  async #composeSvid(
    before: X509SvidAttributes,
    ask: (
      client: ComposerClient,
      attributes: X509SVIDAttributes,
    ) => Promise<{ readonly attributes?: X509SVIDAttributes | undefined }>,
  ): Promise<X509SvidAttributes> {
    const answer = await this.#ask((client) => ask(client, svidAttributesToProto(before)))
    return answer?.attributes ? svidAttributesFromProto(answer.attributes) : before
  }

  /** Undefined when the plugin does not have that hook. */
  async #ask<Answer>(
    ask: (client: ComposerClient) => Promise<Answer>,
  ): Promise<Answer | undefined> {
    try {
      return await this.#plugin.call(async () =>
        ask(this.#plugin.client(CredentialComposerService)),
      )
    } catch (error) {
      if (isSpiffeError(error, 'ERR_PLUGIN_CALL') && error.kind === 'unimplemented')
        return undefined
      throw error
    }
  }
}

function identityToProto({ spiffeId, publicKey }: ComposedIdentity): {
  spiffeId: string
  publicKey: Buffer
} {
  return { spiffeId: spiffeId.toString(), publicKey: Buffer.from(publicKey) }
}
