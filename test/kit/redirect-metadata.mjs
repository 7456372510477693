// Loaded before a daemon of ours (`node --import`): connections to the address of clouds' metadata services, which no
// proxy is asked for, lead to a fake of the test. Everything else in the process is as it always is.
import { Socket } from 'node:net'

const connect = Socket.prototype.connect

Socket.prototype.connect = function redirected(...args) {
  const [host, port] = (process.env.TEST_METADATA_ADDRESS ?? '').split(':')
  const options = Array.isArray(args[0]) ? args[0][0] : args[0]
  if (options?.host === '169.254.169.254' && port)
    Object.assign(options, { host, port: Number(port) })
  return connect.apply(this, args)
}
