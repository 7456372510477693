import { normalize } from 'node:path'
import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { formatRfc3339 } from '@mini-spire/runtime/cli/time'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { explain, parseWireId, ttlSeconds } from '@mini-spire/runtime/cli/values'
import { writeOutputFile } from '@mini-spire/runtime/cli/write-files'
import { systemClock } from '@mini-spire/runtime/clock'
import {
  MintJWTSVIDResponse,
  SVIDService,
} from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { serverCommand } from '../server-command.ts'

/** `jwt mint` */
export const command: AnyCommand = serverCommand({
  name: 'jwt mint',
  flags: {
    spiffeID: { type: 'string', usage: 'SPIFFE ID of the JWT-SVID' },
    ttl: { type: 'duration', usage: 'TTL of the JWT-SVID' },
    audience: {
      type: 'strings',
      usage: 'Audience claim that will be included in the SVID. Can be used more than once.',
    },
    write: { type: 'string', usage: 'File to write token to instead of stdout' },
  },
  async run({ flags, terminal, client, print }) {
    if (flags.spiffeID === '') throw new CommandError('spiffeID must be specified')
    if (flags.audience.length === 0) {
      throw new CommandError('at least one audience must be specified')
    }
    const id = parseWireId(flags.spiffeID)
    const ttl = ttlSeconds(flags.ttl)
    const svids = await explain('unable to mint SVID: ', client(SVIDService))
    const request = { id, ttl, audience: [...flags.audience] }
    const reply = await explain('unable to mint SVID: ', svids.mintJwtsvid(request))
    const token = reply.svid?.token ?? ''
    if (token === '') throw new CommandError('server response missing token')
    const expiresAt = expiryOf(token)
    if (expiresAt === undefined) {
      terminal.err('Unable to determine JWT-SVID lifetime: no expiry claim\n')
    } else if ((expiresAt * 1000 - systemClock.nowMs()) * 1e6 < Number(flags.ttl)) {
      terminal.err(
        `JWT-SVID lifetime was capped shorter than specified ttl; expires "${formatRfc3339(expiresAt)}"\n`,
      )
    }
    if (flags.write !== '') {
      const path = normalize(flags.write)
      await writeOutputFile({ path, content: token, isPrivate: true }, 'token')
      terminal.out(`JWT-SVID written to ${path}\n`)
      return 0
    }
    const bytes = MintJWTSVIDResponse.encode(reply).finish()
    await print({ type: 'spire.api.server.svid.v1.MintJWTSVIDResponse', bytes }, () => {
      terminal.out(`${token}\n`)
    })
    return 0
  },
})

/** When a token ends, in seconds, read without verifying it; undefined when it does not say. */
function expiryOf(token: string): number | undefined {
  try {
    const claims: unknown = JSON.parse(
      Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'),
    )
    const expiry: unknown =
      typeof claims === 'object' && claims !== null ? Reflect.get(claims, 'exp') : undefined
    return typeof expiry === 'number' ? Math.trunc(expiry) : undefined
  } catch {
    return undefined
  }
}
