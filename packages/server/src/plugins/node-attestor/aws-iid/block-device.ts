import type { Ec2Instance } from './aws-api.ts'

const maxSecondsApart = 60

/**
 * Checks that an instance started from the volume that it runs from: its root volume and its first network interface were
 * attached at the same time. Who may detach and attach volumes could else put his own program onto a machine of others.
 * Nothing is checked on instances whose root device is an instance store.
 *
 * @throws {Error} when it is not so, or not known
 */
export function checkBlockDevice(instance: Ec2Instance): void {
  const first = instance.networkInterfaces.find(({ device }) => device === 0)
  if (!first?.attachedAt) {
    throw new Error('the EC2 instance network interface with device index 0 is inaccessible')
  }
  if (instance.rootDeviceType === 'instance-store') return
  const { rootDeviceName } = instance
  const root = instance.blockDevices.find(({ device }) => device === rootDeviceName)
  if (rootDeviceName === '' || !root?.attachedAt) {
    const name = JSON.stringify(rootDeviceName)
    throw new Error(`failed to locate the root device block mapping with name ${name}`)
  }
  const apart = Math.abs(seconds(first.attachedAt) - seconds(root.attachedAt))
  if (apart <= maxSecondsApart) return
  throw new Error(
    `failed checking the disparity device attach times, root BlockDeviceMapping and NetworkInterface[0] attach times differ by ${apart} seconds`,
  )
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000)
}
