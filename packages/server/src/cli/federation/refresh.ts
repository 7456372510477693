import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { TrustDomainService } from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import { Status } from '@mini-spire/runtime/proto/spire/api/types/status'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import { serverCommand } from '../server-command.ts'

/** `federation refresh` */
export const command: AnyCommand = serverCommand({
  name: 'federation refresh',
  flags: { id: { type: 'string', usage: 'SPIFFE ID of the trust domain' } },
  async run({ flags, terminal, client, print }) {
    const { id } = flags
    if (id === '') throw new CommandError('id is required')
    try {
      const service = await client(TrustDomainService)
      await service.refreshBundle({ trustDomain: id })
    } catch (error) {
      throw failureOf(id, error)
    }
    const bytes = Status.encode({ code: 0, message: 'OK' }).finish()
    await print({ type: 'spire.api.types.Status', bytes }, () => {
      terminal.out('Bundle refreshed\n')
    })
    return 0
  },
})

function failureOf(id: string, error: unknown): CommandError {
  const message =
    isSpiffeError(error) && error.kind === 'not-found'
      ? `there is no federation relationship with trust domain ${quoteGo(id)}`
      : `failed to refresh bundle: ${messageOf(error)}`
  return new CommandError(message, { cause: error })
}
