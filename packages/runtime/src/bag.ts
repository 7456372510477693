/** What can be in a {@link Bag}, one at a time. */
export interface BagMember {
  /** Where it is there; the bag's own. */
  bagPlace: number
}

/**
 * Members that come and go all the time, in no order. A `Set` would leave a trail: each of its tables that was outgrown keeps pointing to
 * the next one, so that once one of them is old, whatever passed through the later ones stays until everything old is collected.
 */
export class Bag<Member extends BagMember> {
  readonly #members: Member[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: Member): void {
    member.bagPlace = this.#members.length
    this.#members.push(member)
  }

  /** Takes a member out; false: it was not there. */
  delete(member: Member): boolean {
    const place = member.bagPlace
    if (this.#members[place] !== member) return false
    const last = this.#members.pop() as Member
    if (last === member) return true
    this.#members[place] = last
    last.bagPlace = place
    return true
  }

  /** The members as they are now: they may leave meanwhile. */
  members(): readonly Member[] {
    return [...this.#members]
  }
}
