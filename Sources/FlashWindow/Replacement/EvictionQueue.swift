/// The slots of a layer by the key of what they hold, the lowest in front: a binary heap, in which
/// a key may be too low until its slot is in front.
///
/// Since keys only rise, a use need not touch the queue: a hit is O(1), and a slot that comes to
/// the front with a key out of date goes back behind at O(log slots), at most once for each use.
/// Slots lie in one array: the queue; those held, which cannot be evicted until `restore`; those
/// that are free. Nothing allocates after `init`.
struct EvictionQueue {
  private struct Entry {
    var key: UInt64
    var slot: Int32
  }

  private var entries: [Entry]
  private(set) var queuedCount = 0
  private(set) var usedCount = 0

  init(slotCount: Int) {
    entries = (0..<slotCount).map { Entry(key: 0, slot: Int32($0)) }
  }

  static var byteCountPerSlot: Int { MemoryLayout<Entry>.stride }

  var hasFree: Bool { usedCount < entries.count }
  var hasHeld: Bool { queuedCount < usedCount }
  var front: (slot: Int, key: UInt64)? {
    queuedCount > 0 ? (Int(entries[0].slot), entries[0].key) : nil
  }
  /// The held slot that `restore` takes next.
  var nextHeld: Int { Int(entries[queuedCount].slot) }

  /// A free slot, which is held from then on.
  mutating func takeFree() -> Int {
    precondition(hasFree, "a slot is free")
    usedCount += 1
    return Int(entries[usedCount - 1].slot)
  }

  /// The slots that are held.
  var heldSlots: some Sequence<Int32> {
    entries[queuedCount..<usedCount].lazy.map(\.slot)
  }

  /// Gives the slot in front its true key.
  mutating func raiseFront(to key: UInt64) {
    entries[0].key = key
    siftDown(0)
  }

  /// Holds the slot in front.
  mutating func holdFront() {
    queuedCount -= 1
    entries.swapAt(0, queuedCount)
    siftDown(0)
  }

  /// Puts the slot `nextHeld` back into the queue.
  mutating func restore(key: UInt64) {
    precondition(hasHeld, "a slot is held")
    entries[queuedCount].key = key
    queuedCount += 1
    siftUp(queuedCount - 1)
  }

  /// Frees the slot in front while none is held.
  mutating func freeFront() {
    precondition(!hasHeld, "slots are freed between tokens")
    holdFront()
    usedCount -= 1
  }

  /// Frees a held slot, in time proportional to their number.
  mutating func freeHeld(_ slot: Int) {
    guard
      let index = (queuedCount..<usedCount).first(where: { entries[$0].slot == Int32(slot) })
    else { preconditionFailure("only a slot that is held can be freed") }
    usedCount -= 1
    entries.swapAt(index, usedCount)
  }

  /// Holds every slot in use, so that all come back with new keys.
  mutating func holdAll() { queuedCount = 0 }

  private mutating func siftUp(_ start: Int) {
    let entry = entries[start]
    var index = start
    while index > 0 {
      let parent = (index - 1) / 2
      guard entry.key < entries[parent].key else { break }
      entries[index] = entries[parent]
      index = parent
    }
    entries[index] = entry
  }

  private mutating func siftDown(_ start: Int) {
    guard start < queuedCount else { return }
    let entry = entries[start]
    var index = start
    while true {
      var child = 2 * index + 1
      guard child < queuedCount else { break }
      if child + 1 < queuedCount, entries[child + 1].key < entries[child].key { child += 1 }
      guard entries[child].key < entry.key else { break }
      entries[index] = entries[child]
      index = child
    }
    entries[index] = entry
  }
}

extension EvictionQueue {
  /// Slots and keys of the queue, of the held and the free slots, for tests.
  var parts: (queued: [(slot: Int, key: UInt64)], held: [Int], free: [Int]) {
    (
      entries[..<queuedCount].map { (Int($0.slot), $0.key) },
      entries[queuedCount..<usedCount].map { Int($0.slot) },
      entries[usedCount...].map { Int($0.slot) }
    )
  }
}
