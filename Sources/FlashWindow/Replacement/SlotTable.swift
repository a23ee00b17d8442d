/// The slots of one layer: a table from strides to slots and back, and which slot goes first.
///
/// - Complexity: a use of a stride that is there is O(1); taking a slot O(log slots), with the uses
///   before it paid for.
struct SlotTable {
  static let none: Int32 = -1

  private let policy: ReplacementPolicy
  /// `[strideCount]`: the slot of each stride, the token that used it last (0: none), and its score
  /// where the policy keeps scores.
  private(set) var slotOfStride: [Int32]
  private(set) var lastUse: [Int32]
  private var scores: [UInt32]
  /// `[slotCount]`: the stride in each slot.
  private(set) var strideInSlot: [Int32]
  private(set) var queue: EvictionQueue
  private var contest: AdmissionContest?
  /// Whether this token may yet want what the one before used: while not all that it wants is
  /// known, by a policy that would give that up for a newcomer. Oldest use first never would before
  /// all else.
  ///
  /// Without it a synthetic model whose layers are asked for in slices hit 86.6 % with `lfru` where
  /// `lru` hit 91.0 %.
  private var keepsLastToken = false

  init(strideCount: Int, slotCount: Int, policy: ReplacementPolicy) {
    precondition(strideCount < Int32.max && slotCount < Int32.max, "indices are 32 bits")
    self.policy = policy
    slotOfStride = Array(repeating: Self.none, count: strideCount)
    lastUse = Array(repeating: 0, count: strideCount)
    scores = Array(repeating: 0, count: policy.keepsScores ? strideCount : 0)
    strideInSlot = Array(repeating: Self.none, count: slotCount)
    queue = EvictionQueue(slotCount: slotCount)
    contest = policy == .lfru ? AdmissionContest() : nil
  }

  /// Bytes of a table's arrays.
  static func byteCount(strideCount: Int, slotCount: Int, policy: ReplacementPolicy) -> Int {
    strideCount * (policy.keepsScores ? 12 : 8) + slotCount * byteCountPerSlot
      + (policy == .lfru ? AdmissionContest.byteCount : 0)
  }

  static var byteCountPerSlot: Int { 4 + EvictionQueue.byteCountPerSlot }

  /// Bytes of this table's arrays.
  var byteCount: Int {
    (slotOfStride.count + lastUse.count + scores.count + strideInSlot.count) * 4
      + strideInSlot.count * EvictionQueue.byteCountPerSlot
      + (contest == nil ? 0 : AdmissionContest.byteCount)
  }

  /// Says whether all that this token wants was noted.
  mutating func setKnown(_ isKnown: Bool) { keepsLastToken = !isKnown && policy.keepsScores }

  /// The slot of a stride that is there, which this token then uses.
  mutating func use(_ stride: Int, _ clock: ReplacementClock) -> Int? {
    let slot = slotOfStride[stride]
    guard slot != Self.none else { return nil }
    noteUse(stride, clock)
    return Int(slot)
  }

  /// Gives a stride that is not there the slot that goes first; nil where this token uses them all
  /// or the policy refuses it one. The use is noted either way.
  mutating func take(
    for stride: Int, _ clock: ReplacementClock
  ) -> (slot: Int, evicted: Bool)? {
    noteUse(stride, clock)
    if queue.hasFree {
      let slot = queue.takeFree()
      fill(slot, with: stride)
      return (slot, false)
    }
    guard let slot = firstToGo(clock) else { return nil }
    let holder = strideInSlot[slot]
    if contest != nil, scores[stride] < scores[Int(holder)],
      contest?.admits(newcomer: stride, holder: holder, token: clock.token) == false
    {
      return nil
    }
    queue.holdFront()
    slotOfStride[Int(holder)] = Self.none
    fill(slot, with: stride)
    return (slot, true)
  }

  /// Empties a slot that this token took.
  mutating func free(_ slot: Int) {
    queue.freeHeld(slot)
    empty(slot)
  }

  /// Empties the slot that is worth least of those that this token used and cannot be evicted;
  /// nil where there are none.
  mutating func freeLeastOfHeld() -> Int? {
    guard let slot = queue.heldSlots.min(by: { key(of: Int($0)) < key(of: Int($1)) }) else {
      return nil
    }
    free(Int(slot))
    return Int(slot)
  }

  /// Begins a token: what the one before used may go.
  mutating func advance(to clock: ReplacementClock) {
    while queue.hasHeld { queue.restore(key: key(of: queue.nextHeld)) }
    contest?.judge(lastUse: lastUse, token: clock.token)
  }

  /// Empties the slots whose last use was before a token; returns how many. Only where scores are
  /// equal, and between tokens.
  mutating func dropUses(before token: Int32) -> Int {
    var count = 0
    while let front = queue.front {
      let key = key(of: front.slot)
      if key != front.key {
        queue.raiseFront(to: key)
      } else {
        guard lastUse[Int(strideInSlot[front.slot])] < token else { break }
        queue.freeFront()
        empty(front.slot)
        count += 1
      }
    }
    return count
  }

  /// Divides all scores, and so all keys; between tokens.
  mutating func divideScores(by weight: Float) {
    for stride in scores.indices {
      scores[stride] = DecayedFrequency.score(scores[stride], dividedBy: weight)
    }
    queue.holdAll()
    while queue.hasHeld { queue.restore(key: key(of: queue.nextHeld)) }
  }

  /// The slot in front whose key is true and which this token does not use, nor may yet use.
  private mutating func firstToGo(_ clock: ReplacementClock) -> Int? {
    let keptFrom = keepsLastToken ? clock.token - 1 : clock.token
    while let front = queue.front {
      if lastUse[Int(strideInSlot[front.slot])] >= keptFrom {
        queue.holdFront()
        continue
      }
      let key = key(of: front.slot)
      if key == front.key { return front.slot }
      queue.raiseFront(to: key)
    }
    return nil
  }

  private mutating func noteUse(_ stride: Int, _ clock: ReplacementClock) {
    guard lastUse[stride] != clock.token else { return }
    lastUse[stride] = clock.token
    switch policy {
    case .window, .lru: break
    case .lfu:
      scores[stride] = LeastFrequentlyUsed.score(scores[stride], afterUseAt: clock)
    case .lfru:
      scores[stride] = DecayedFrequency.score(scores[stride], afterUseAt: clock)
    }
  }

  /// What a slot is ordered by: its stride's score, then its last use.
  func key(of slot: Int) -> UInt64 {
    let stride = Int(strideInSlot[slot])
    let score = scores.isEmpty ? LeastRecentlyUsed.score : scores[stride]
    return UInt64(score) << 32 | UInt64(lastUse[stride])
  }

  private mutating func fill(_ slot: Int, with stride: Int) {
    slotOfStride[stride] = Int32(slot)
    strideInSlot[slot] = Int32(stride)
  }

  private mutating func empty(_ slot: Int) {
    slotOfStride[Int(strideInSlot[slot])] = Self.none
    strideInSlot[slot] = Self.none
  }
}

extension WindowCache {
  /// Bytes that a slot takes in its layer's table.
  package static var tableByteCountPerSlot: Int { SlotTable.byteCountPerSlot }
}
