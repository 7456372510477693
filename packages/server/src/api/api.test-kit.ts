import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { type GrpcChannel, openUnixChannel } from '@mini-spire/runtime/grpc/client'
import { ExtendedCall } from '@mini-spire/runtime/grpc/extended-call'
import { GrpcHost } from '@mini-spire/runtime/grpc/host'
import type { ServiceBinding } from '@mini-spire/runtime/grpc/service'
import { MemoryKeyManager } from '@mini-spire/runtime/key-manager/memory/memory-key-manager'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { GatheredAudit } from '../audit/audit-event.ts'
import type { Caller, ServerCall } from '../authorization/caller.ts'
import { OwnBundle } from '../bundle/own-bundle.ts'
import { AuthorityManager, type AuthorityManagerOptions } from '../ca/authority-manager.ts'
import { PendingEntries } from '../registration/pending-entries.ts'
import type { RegistrationState } from '../registration/registration-state.ts'
import { Registry } from '../registry/registry.ts'
import { MemoryStore } from '../store/memory/memory-store.ts'
import { testCause, testDomain } from '../store/store.test-kit.ts'
import type { Mutation, Store } from '../store/store.ts'

/** Services on a real socket over a memory store, with a caller that the test chooses. */
export class ApiScene implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock()
  readonly registry: Registry = new Registry({ clock: this.clock })
  readonly store: Store = MemoryStore.create({ clock: this.clock })
  readonly state: RegistrationState = {
    registry: this.registry,
    store: this.store,
    clock: this.clock,
    pending: new PendingEntries(),
  }
  readonly ownBundle: OwnBundle = new OwnBundle({
    trustDomain: testDomain,
    store: this.store,
    bundles: this.registry.bundles,
  })
  caller: Caller = { class: 'local', uid: 1000, gid: 1000, pid: 1 }
  audit: GatheredAudit = new GatheredAudit()
  readonly #folder = mkdtempSync(join(tmpdir(), 'api-'))
  #host: GrpcHost<ServerCall> | undefined
  #channel: GrpcChannel | undefined

  /** Opens the store and serves what the scene's parts are made into. */
  async serve(make: (scene: ApiScene) => ServiceBinding<ServerCall>): Promise<GrpcChannel> {
    await this.store.open((changes) => this.registry.apply(changes))
    this.#host = new GrpcHost<ServerCall>({
      services: [make(this)],
      hooks: {
        before: (call) => {
          this.audit = new GatheredAudit()
          return Object.assign(new ExtendedCall(call), {
            caller: this.caller,
            audit: this.audit,
            addLogFields: () => {},
          })
        },
        after: () => {},
      },
      clock: this.clock,
      log: silentLogger,
    })
    const path = join(this.#folder, 'api.sock')
    await this.#host.listenUnix({ path, mode: 0o600, directoryMode: 0o700 })
    this.#channel = openUnixChannel(path)
    return this.#channel
  }

  /** The authorities of a server on the scene's store, not yet started. */
  authorities(options: Partial<AuthorityManagerOptions> = {}): AuthorityManager {
    return new AuthorityManager({
      trustDomain: testDomain,
      keyManager: new MemoryKeyManager(),
      bundle: this.ownBundle,
      store: this.store,
      journals: this.registry.journals,
      clock: this.clock,
      log: silentLogger,
      x509KeyType: 'ec-p256',
      jwtKeyType: 'ec-p256',
      caTtlSeconds: 24 * 3600,
      caSubject: {},
      isJwtDisabled: false,
      ...options,
    })
  }

  /** Writes records behind the API's back. */
  async put(...mutations: readonly Mutation[]): Promise<void> {
    const [error] = await this.store.commit([{ cause: testCause, mutations }])
    if (error) throw error
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel?.close()
    await this.#host?.stop(0)
    await this.store.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** What a call fails with, as the client sees it; fails itself when the call succeeds. */
export async function failureOf(
  call: Promise<unknown>,
): Promise<{ readonly code: number; readonly message: string }> {
  try {
    await call
  } catch (error) {
    const { statusCode, statusMessage } = error as { statusCode: number; statusMessage: string }
    return { code: statusCode, message: statusMessage }
  }
  throw new Error('the call succeeded')
}
