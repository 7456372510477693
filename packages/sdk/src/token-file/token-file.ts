import { writeFileAtomically } from '../atomic-file.ts'
import { systemClock } from '../clock.ts'
import {
  badOption,
  fetchSubjectToken,
  type RenewalOptions,
  RenewedCredential,
  type SubjectOptions,
} from '../exchange/index.ts'
import type { JwtSvid } from '../jwt-svid/index.ts'

/** Options of {@link TokenFile}. */
export interface TokenFileOptions extends SubjectOptions, RenewalOptions {
  readonly audience: string
  /** The file; it is replaced, so its folder must be writable. */
  readonly path: string
  /** Permission bits. @default 0o600 */
  readonly mode?: number | undefined
  /** Gives up waiting for the first token. */
  readonly signal?: AbortSignal | undefined
}

/**
 * A file that always holds a good JWT-SVID, for programs that read one: `AWS_WEB_IDENTITY_TOKEN_FILE`,
 * `AZURE_FEDERATED_TOKEN_FILE`, a `credential_source.file` of Google's, Vault agents.
 *
 * A reader sees the old token or the new one, never a part. The file stays when this is closed; the token in it ends by itself.
 *
 * @example
 * await using svids = await JwtSource.create()
 * using file = await TokenFile.start({ svids, audience: 'sts.amazonaws.com', path: '/run/app/token' })
 */
export class TokenFile implements Disposable {
  readonly #held: RenewedCredential<JwtSvid>

  private constructor(held: RenewedCredential<JwtSvid>) {
    this.#held = held
  }

  /**
   * Resolves when the first token is in the file.
   *
   * @throws {ExchangeError}, or the system's error when the file cannot be written
   */
  static async start(options: TokenFileOptions): Promise<TokenFile> {
    const { audience, path, mode = 0o600, clock = systemClock, signal } = options
    if (path === '') throw badOption('path', 'it is empty')
    const held = new RenewedCredential<JwtSvid>(
      async (renewal) => {
        const svid = await fetchSubjectToken(options, audience, { ...renewal, clock })
        renewal.signal.throwIfAborted()
        await writeFileAtomically(path, svid.token, { mode })
        return svid
      },
      { ...options, isRenewedUnused: true },
    )
    try {
      await held.get({ signal })
    } catch (error) {
      held.close()
      throw error
    }
    return new TokenFile(held)
  }

  close(): void {
    this.#held.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
