import type { ClientContext } from '@mini-spire/runtime/cli/client-command'
import type { FlagsSchema } from '@mini-spire/runtime/cli/flags'
import { formatUtc } from '@mini-spire/runtime/cli/time'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import type { AuthorityState } from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'

/** Where the wire types of the replies live. */
export const wirePackage = 'spire.api.server.localauthority.v1'

/** A family of local authorities, as headlines and errors call it. */
export type Family = 'X.509' | 'JWT'

/** What {@link printStates} shows. */
export interface ShownStates {
  readonly active?: AuthorityState | undefined
  readonly prepared?: AuthorityState | undefined
  readonly old?: AuthorityState | undefined
}

/** The flag that names an authority. */
export function authorityIdFlag(
  verb: 'activate' | 'taint' | 'revoke',
  family: Family,
): { readonly authorityID: { readonly type: 'string'; readonly usage: string } } {
  const usage = `The authority ID of the ${family} authority to ${verb}`
  return { authorityID: { type: 'string', usage } }
}

/** The authority that the flag names. @throws {CommandError} when it names none */
export function requiredAuthorityId(text: string): string {
  if (text === '') throw new CommandError('an authority ID is required')
  return text
}

/** Prints a reply about one authority, under a headline such as `Prepared X.509 authority:`. */
export async function printAuthority(
  { terminal, print }: Pick<ClientContext<FlagsSchema>, 'terminal' | 'print'>,
  done: 'Prepared' | 'Activated' | 'Tainted' | 'Revoked',
  family: Family,
  reply: {
    readonly type: string
    readonly bytes: Uint8Array
    readonly state: AuthorityState | undefined
  },
): Promise<void> {
  const { type, bytes, state } = reply
  await print({ type, bytes }, () => {
    if (!state) throw new CommandError('internal error: expected authority information')
    terminal.out(`${done} ${family} authority:\n${formatAuthority(state, family)}`)
  })
}

/** The authorities of a family by their states, an empty line between two. */
export function formatStates(states: ShownStates, family: Family): string {
  const part = (name: 'Active' | 'Prepared' | 'Old', state: AuthorityState | undefined): string => {
    const none = `  No ${name.toLowerCase()} ${family} authority found\n`
    return `${name} ${family} authority:\n${state ? formatAuthority(state, family) : none}`
  }
  const parts = [
    part('Active', states.active),
    part('Prepared', states.prepared),
    part('Old', states.old),
  ]
  return parts.join('\n')
}

function formatAuthority(state: AuthorityState, family: Family): string {
  const { authorityId, expiresAt, upstreamAuthoritySubjectKeyId: upstream } = state
  const lines = [`Authority ID: ${authorityId}`, `Expires at: ${formatUtc(Number(expiresAt))}`]
  if (family === 'X.509' && upstream !== '')
    lines.push(`Upstream authority Subject Key ID: ${upstream}`)
  else if (family === 'X.509') lines.push('Upstream authority ID: No upstream authority')
  return lines.map((line) => `  ${line}\n`).join('')
}
