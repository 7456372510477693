/** The eight groups of 16 bits of an IPv6 address, a zone left out. That it is one is not checked. */
export function ipv6Groups(address: string): readonly number[] {
  const [plain = ''] = address.split('%')
  const [head = '', tail] = plain.split('::')
  const before = groupsOf(head)
  const after = groupsOf(tail ?? '')
  const hidden = tail === undefined ? 0 : Math.max(8 - before.length - after.length, 0)
  return [...before, ...Array<number>(hidden).fill(0), ...after]
}

function groupsOf(text: string): readonly number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}
