import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import { type ClientOf, createClient, type GrpcChannel, GrpcError } from '../grpc/client.ts'
import { ConfigService } from '../proto/spire/service/common/config/v1/config.ts'
import { InitService } from '../proto/spire/service/private/init/v1/init.ts'
import type { PluginTimeouts } from './plugin-timeouts.ts'

/** What a plugin is configured with. */
export interface PluginConfiguration {
  /** Name of the trust domain. */
  readonly trustDomain: string
  /** HCL 1; empty when there is none. */
  readonly hcl: string
}

/** What a plugin says of a configuration that it was only shown. */
export interface PluginValidation {
  readonly notes: readonly string[]
}

/** The calls with which a plugin is set up and taken down. All reject with {@link GrpcError}. */
export class ConfigurationClient {
  readonly #init: ClientOf<typeof InitService>
  readonly #config: ClientOf<typeof ConfigService>

  readonly #timeouts: PluginTimeouts

  constructor(channel: GrpcChannel, timeouts: PluginTimeouts) {
    this.#timeouts = timeouts
    this.#init = createClient(InitService, channel)
    this.#config = createClient(ConfigService, channel)
  }

  /** Tells the plugin which host services there are. @returns the full names of the services that it has */
  async init(hostServiceNames: readonly string[]): Promise<readonly string[]> {
    const request = { hostServiceNames: [...hostServiceNames] }
    const { pluginServiceNames } = await this.#init.init(request, {
      timeoutMs: this.#timeouts.configureMs,
    })
    return pluginServiceNames
  }

  /** Tells the plugin that nothing more will be asked of it. */
  async deinit(): Promise<void> {
    try {
      await this.#init.deinit({}, { timeoutMs: this.#timeouts.deinitMs })
    } catch (error) {
      if (!isUnimplemented(error)) throw error
    }
  }

  async configure({ trustDomain, hcl }: PluginConfiguration): Promise<void> {
    await this.#config.configure(
      { coreConfiguration: { trustDomain }, hclConfiguration: hcl },
      { timeoutMs: this.#timeouts.configureMs },
    )
  }

  /** Shows the plugin a configuration. @returns undefined when it cannot judge one without taking it */
  async validate({ trustDomain, hcl }: PluginConfiguration): Promise<PluginValidation | undefined> {
    try {
      const { notes } = await this.#config.validate(
        { coreConfiguration: { trustDomain }, hclConfiguration: hcl },
        { timeoutMs: this.#timeouts.configureMs },
      )
      return { notes }
    } catch (error) {
      if (isUnimplemented(error)) return undefined
      throw error
    }
  }
}

function isUnimplemented(error: unknown): boolean {
  return error instanceof GrpcError && error.statusCode === GrpcStatus.Unimplemented
}
