import { formatCertChain } from '@mini-spire/runtime/cli/cert-chain'
import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { formatGoDuration } from '@mini-spire/runtime/config/go-duration'
import {
  DebugService,
  GetInfoResponse,
} from '@mini-spire/runtime/proto/spire/api/server/debug/v1/debug'
import { serverCommand } from '../server-command.ts'

/** `debug getinfo` */
export const command: AnyCommand = serverCommand({
  name: 'debug getinfo',
  flags: {},
  async run({ terminal, client, print }) {
    const info = await (await client(DebugService)).getInfo({})
    const bytes = GetInfoResponse.encode(info).finish()
    await print({ type: 'spire.api.server.debug.v1.GetInfoResponse', bytes }, () => {
      terminal.out(
        'Server Debug Info:\n' +
          `  Uptime:                  ${formatGoDuration(BigInt(info.uptime) * 1_000_000_000n)}\n` +
          `  Registered Agents:       ${info.agentsCount}\n` +
          `  Registration Entries:    ${info.entriesCount}\n` +
          `  Federated Bundles:       ${info.federatedBundlesCount}\n` +
          formatCertChain(info.svidChain, '  SVID Chain:'),
      )
    })
    return 0
  },
})
