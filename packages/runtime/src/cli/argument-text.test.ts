import { expect, it } from 'vitest'
import { assertText } from './argument-text.ts'

const broken = Buffer.from([0x61, 0xff])

it.each([
  ['a text', { hint: 'a\ufffd' }],
  ['one of a list', { selector: ['a:b', 'a:\ufffd'] }],
])('%s whose bytes are no UTF-8 is refused', (_, values) => {
  expect(() => assertText(values, () => broken)).toThrow(
    'rpc error: code = Internal desc = grpc: error while marshaling: string field contains invalid UTF-8',
  )
})

it('the character that stands for such bytes may be meant', () => {
  expect(() => assertText({ hint: 'a\ufffd' }, () => Buffer.from('a\ufffd'))).not.toThrow()
})

it('bytes that stand in no value are no matter of what is sent', () => {
  expect(() => assertText({ admin: true, hint: 'a', ttl: 1 }, () => broken)).not.toThrow()
})
