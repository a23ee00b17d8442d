/// The slots of one layer: a table from strides to slots and back, and the slots in order of use.
///
/// The order is a doubly linked list through the slots, least recently used first; free slots come
/// before all others.
struct SlotTable {
  private static let none: Int32 = -1

  /// `[strideCount]`: the slot of each stride.
  private(set) var slotOfStride: [Int32]
  /// `[slotCount]`: the stride in each slot, the token that used it last, and its neighbours.
  private(set) var strideInSlot: [Int32]
  private(set) var lastUse: [Int32]
  private var older: [Int32]
  private var newer: [Int32]
  private var oldest: Int32
  private var newest: Int32

  init(strideCount: Int, slotCount: Int) {
    precondition(strideCount < Int32.max && slotCount < Int32.max, "indices are 32 bits")
    slotOfStride = Array(repeating: Self.none, count: strideCount)
    strideInSlot = Array(repeating: Self.none, count: slotCount)
    lastUse = Array(repeating: 0, count: slotCount)
    older = (0..<slotCount).map { Int32($0) - 1 }
    newer = (0..<slotCount).map { $0 + 1 < slotCount ? Int32($0 + 1) : Self.none }
    oldest = slotCount > 0 ? 0 : Self.none
    newest = Int32(slotCount) - 1
  }

  /// The slot of a stride that is there, which becomes the most recently used.
  mutating func use(_ stride: Int, token: Int32) -> Int? {
    let slot = slotOfStride[stride]
    guard slot != Self.none else { return nil }
    lastUse[Int(slot)] = token
    moveToNewest(slot)
    return Int(slot)
  }

  /// Gives the least recently used slot to a stride, unless this token uses it.
  mutating func take(for stride: Int, token: Int32) -> (slot: Int, evicted: Bool)? {
    let slot = oldest
    guard slot != Self.none else { return nil }
    let previous = strideInSlot[Int(slot)]
    if previous != Self.none {
      guard lastUse[Int(slot)] != token else { return nil }
      slotOfStride[Int(previous)] = Self.none
    }
    slotOfStride[stride] = slot
    strideInSlot[Int(slot)] = Int32(stride)
    lastUse[Int(slot)] = token
    moveToNewest(slot)
    return (Int(slot), previous != Self.none)
  }

  /// Empties a slot, which becomes the first to be taken.
  mutating func free(_ slot: Int) {
    let stride = strideInSlot[slot]
    precondition(stride != Self.none, "only a slot in use can be freed")
    slotOfStride[Int(stride)] = Self.none
    strideInSlot[slot] = Self.none
    lastUse[slot] = 0
    unlink(Int32(slot))
    older[slot] = Self.none
    newer[slot] = oldest
    if oldest != Self.none { older[Int(oldest)] = Int32(slot) } else { newest = Int32(slot) }
    oldest = Int32(slot)
  }

  /// Empties the slots whose last use was before a token; returns how many.
  mutating func dropUses(before token: Int32) -> Int {
    var count = 0
    var slot = oldest
    while slot != Self.none {
      let next = newer[Int(slot)]
      if strideInSlot[Int(slot)] != Self.none {
        guard lastUse[Int(slot)] < token else { break }
        free(Int(slot))
        count += 1
      }
      slot = next
    }
    return count
  }

  private mutating func moveToNewest(_ slot: Int32) {
    guard newest != slot else { return }
    unlink(slot)
    older[Int(slot)] = newest
    newer[Int(slot)] = Self.none
    if newest != Self.none { newer[Int(newest)] = slot } else { oldest = slot }
    newest = slot
  }

  private mutating func unlink(_ slot: Int32) {
    let before = older[Int(slot)]
    let after = newer[Int(slot)]
    if before != Self.none { newer[Int(before)] = after } else { oldest = after }
    if after != Self.none { older[Int(after)] = before } else { newest = before }
  }
}

extension SlotTable {
  /// The slots from the least to the most recently used, for tests.
  var order: [Int] {
    var slots: [Int] = []
    var slot = oldest
    while slot != Self.none {
      slots.append(Int(slot))
      slot = newer[Int(slot)]
    }
    return slots
  }
}
