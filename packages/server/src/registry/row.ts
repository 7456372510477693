/**
 * A record as the indexes share it. An update replaces the value only, so an index whose key has not changed need not be
 * touched; the ordinal is the record's place in creation order, which is what pages are cut by.
 */
export class Row<Value> {
  value: Value
  readonly ordinal: number

  constructor(value: Value, ordinal: number) {
    this.value = value
    this.ordinal = ordinal
  }
}
