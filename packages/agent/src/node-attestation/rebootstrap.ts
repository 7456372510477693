import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { AgentStorage } from '../storage/agent-state.ts'
import type { BootstrapState } from './bootstrap-state.ts'
import { NodeAttestationError } from './node-attestation-error.ts'

const notAllowed =
  'you have requested rebootstrap support but the NodeAttestor plugin or the spire server configuration is not allowing it'

/** Options of {@link Rebootstrap}. */
export interface RebootstrapOptions {
  readonly mode: 'never' | 'auto' | 'always'
  readonly delayMs: number
  readonly storage: AgentStorage
  readonly state: BootstrapState
  readonly clock: Clock
  readonly log: Logger
}

/** Whether, and when, an agent that no longer trusts its server asks the bootstrap source for another bundle. */
export class Rebootstrap {
  readonly #options: RebootstrapOptions
  #isEnabled: boolean

  constructor(options: RebootstrapOptions) {
    this.#options = options
    this.#isEnabled = options.mode !== 'never'
  }

  get isEnabled(): boolean {
    return this.#isEnabled
  }

  /**
   * Switches itself off for an agent that could not attest again.
   *
   * @throws {NodeAttestationError} `ERR_NOT_REATTESTABLE` in mode `always`
   */
  check(): void {
    const { svid, isReattestable } = this.#options.storage.state
    if (!this.#isEnabled || svid.length === 0 || isReattestable) return
    if (this.#options.mode === 'always')
      throw new NodeAttestationError('ERR_NOT_REATTESTABLE', notAllowed)
    this.#options.log.warn(`${notAllowed}. Disabling`)
    this.#isEnabled = false
  }

  /** Whether trust has been lost for long enough; says how long is left when not. */
  async isDue(log: Logger): Promise<boolean> {
    const { state, delayMs, clock } = this.#options
    const leftMs = (await state.startTime()).getTime() + delayMs - clock.nowMs()
    if (leftMs <= 0) return true
    log.info("Trust Bundle and Server don't agree, ignoring for now", {
      time_left: `${Math.ceil(leftMs / 1000)}s`,
    })
    return false
  }
}
