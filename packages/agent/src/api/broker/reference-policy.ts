import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { BrokerConfig } from '../../config/resolved-config.ts'
import { messages } from './messages.ts'

/** What stands for every type of reference. */
const anyType = '*'

/** Which types of references a broker may use, and which of them from another machine. */
export class ReferencePolicy {
  /** By broker and type: whether it may be used over TCP. */
  readonly #brokers: ReadonlyMap<string, ReadonlyMap<string, boolean>>

  constructor(brokers: BrokerConfig['brokers']) {
    this.#brokers = new Map(
      brokers.map(({ id, allowedReferenceTypes }) => [
        id.toString(),
        new Map(
          allowedReferenceTypes.map(
            ({ typeUrl, allowOverTcp }) => [typeUrl, allowOverTcp] as const,
          ),
        ),
      ]),
    )
  }

  /**
   * Lets a broker use a type of reference on this connection, or does not. A broker that is not in the list may use none.
   *
   * @throws {ApiError} permission-denied
   */
  check(broker: SpiffeId, typeUrl: string, isTcp: boolean): void {
    const types = this.#brokers.get(broker.toString())
    const isAllowedOverTcp = types?.get(anyType) ?? types?.get(typeUrl)
    if (isAllowedOverTcp === undefined) {
      throw new ApiError('permission-denied', messages.typeNotAllowed(broker, typeUrl))
    }
    if (isTcp && !isAllowedOverTcp) {
      throw new ApiError('permission-denied', messages.typeNotOverTcp(broker, typeUrl))
    }
  }
}
