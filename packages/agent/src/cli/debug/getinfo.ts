import { formatCertChain } from '@mini-spire/runtime/cli/cert-chain'
import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { formatRfc3339 } from '@mini-spire/runtime/cli/time'
import { formatGoDuration } from '@mini-spire/runtime/config/go-duration'
import {
  DebugService,
  GetInfoResponse,
} from '@mini-spire/runtime/proto/spire/api/agent/debug/v1/debug'
import { adminCommand } from '../agent-command.ts'

/** `debug getinfo` */
export const command: AnyCommand = adminCommand({
  name: 'debug getinfo',
  flags: {},
  async run({ terminal, client, print }) {
    const info = await (await client(DebugService)).getInfo({})
    const bytes = GetInfoResponse.encode(info).finish()
    await print({ type: 'spire.agent.debug.v1.GetInfoResponse', bytes }, () => {
      const lastSync = Number(info.lastSyncSuccess)
      terminal.out(
        'Agent Debug Info:\n' +
          `  Uptime:                          ${formatGoDuration(BigInt(info.uptime) * 1_000_000_000n)}\n` +
          `  Last Sync Success:               ${lastSync === 0 ? '(never)' : formatRfc3339(lastSync)}\n` +
          `  Cached X.509 SVIDs:              ${info.cachedX509SvidsCount}\n` +
          `  Cached JWT SVIDs:                ${info.cachedJwtSvidsCount}\n` +
          `  Cached SVID Store X.509 SVIDs:   ${info.cachedSvidstoreX509SvidsCount}\n` +
          formatCertChain(info.svidChain, '  SVID Chain:'),
      )
    })
    return 0
  },
})
