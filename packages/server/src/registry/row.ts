/** A record as the indexes share it: the ordinal is its place in creation order, which is what pages are cut by. */
export interface Row<Value> {
  readonly value: Value
  readonly ordinal: number
}
