import type { Clock } from '@mini-spire/runtime/clock'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Selector } from '../../../model/selector.ts'
import type { WorkloadAttestor, WorkloadProcess } from '../workload-attestor.ts'
import { WorkloadAttestorError } from '../workload-attestor-error.ts'
import { DbusConnection } from './dbus-connection.ts'

const name = 'systemd'
const destination = 'org.freedesktop.systemd1'
const timeoutMs = 10_000

/** Options of {@link SystemdAttestor}. */
export interface SystemdAttestorOptions {
  /** `unix:path=/run/dbus/system_bus_socket`, or what `DBUS_SYSTEM_BUS_ADDRESS` names. */
  readonly busAddress: string
  /** As whom the agent speaks to the bus. */
  readonly ownUid: number
  readonly clock: Clock
}

/** The systemd unit that a process belongs to, as the service manager says. A process of no unit is an error. */
export class SystemdAttestor implements WorkloadAttestor {
  readonly name: string = name
  readonly #options: SystemdAttestorOptions

  constructor(options: SystemdAttestorOptions) {
    this.#options = options
  }

  async attest({ pid }: WorkloadProcess, signal: AbortSignal): Promise<readonly Selector[]> {
    const ending = new AbortController()
    const timer = this.#options.clock.setTimer(timeoutMs, () => ending.abort())
    try {
      return await this.#describe(pid, AbortSignal.any([signal, ending.signal]))
    } finally {
      timer.cancel()
    }
  }

  async #describe(pid: number, signal: AbortSignal): Promise<readonly Selector[]> {
    using bus = await this.#open(signal)
    const unit = await failing(`failed to get unit by pid ${pid}`, () =>
      bus.call({
        destination,
        path: '/org/freedesktop/systemd1',
        interface: 'org.freedesktop.systemd1.Manager',
        member: 'GetUnitByPID',
        arguments: [pid],
      }),
    )
    const id = await readProperty(bus, unit, 'Id')
    const fragmentPath = await readProperty(bus, unit, 'FragmentPath')
    return [
      { type: name, value: `id:${id}` },
      { type: name, value: `fragment_path:${fragmentPath}` },
    ]
  }

  #open(signal: AbortSignal): Promise<DbusConnection> {
    const { busAddress, ownUid } = this.#options
    return failing('failed to open dbus connection', () =>
      DbusConnection.open(busAddress, { uid: ownUid, signal }),
    )
  }
}

async function readProperty(bus: DbusConnection, path: string, property: string): Promise<string> {
  return await failing(`error getting value for ${property}`, () =>
    bus.call({
      destination,
      path,
      interface: 'org.freedesktop.DBus.Properties',
      member: 'Get',
      arguments: ['org.freedesktop.systemd1.Unit', property],
    }),
  )
}

async function failing<T>(what: string, act: () => Promise<T | undefined>): Promise<T> {
  try {
    const result = await act()
    if (result === undefined) throw new Error('the answer is no text')
    return result
  } catch (cause) {
    const message = `${what}: ${messageOf(cause)}`
    throw new WorkloadAttestorError(name, 'ERR_WORKLOAD_UNREADABLE', message, { cause })
  }
}
