import FlashWindow
import Glibc

/// The window cache as dictionaries for each layer: slow, and plainly right.
///
/// It follows the cache in what the policy leaves open, which of equals goes; and in whether a
/// newcomer was refused where a contest decides.
struct WindowModel {
  private struct Stride {
    var slot: Int?
    var lastUse = 0
    var useTokens: [Int] = []
  }

  private(set) var statistics = WindowStatistics()
  private let slotsPerLayer: [Int]
  private let policy: ReplacementPolicy
  private var strides: [[Int: Stride]]
  private var loading: [(layer: Int, stride: Int)] = []
  private var token = 1

  init(slotsPerLayer: [Int], policy: ReplacementPolicy) {
    self.slotsPerLayer = slotsPerLayer
    self.policy = policy
    strides = slotsPerLayer.map { _ in [:] }
  }

  /// Notes what of a layer this token uses and has.
  mutating func use(_ wanted: [Int], layer: Int) {
    for stride in wanted where strides[layer][stride]?.slot != nil {
      noteUse(stride, layer: layer)
    }
  }

  /// What is wrong with the cache's answer, or nil.
  mutating func flaw(in found: WindowCache.Placement, for stride: Int, layer: Int) -> String? {
    noteUse(stride, layer: layer)
    if let slot = strides[layer][stride]?.slot {
      statistics.hits += 1
      return found == .hit(SlotIndex(slot)) ? nil : "\(found), not a hit in \(slot)"
    }
    statistics.misses += 1
    let inSlots = strides[layer].filter { $0.value.slot != nil }
    let free = Set(0..<slotsPerLayer[layer]).subtracting(inSlots.values.compactMap(\.slot))
    let evictable = inSlots.filter { $0.value.lastUse != token }
    let lowestScore = evictable.values.map(score).min() ?? 0
    let oldest = evictable.values.filter { score($0) == lowestScore }.map(\.lastUse).min()
    guard case .miss(let slot) = found else {
      guard found == .noSlot, free.isEmpty else { return "\(found) where there is room" }
      let mayRefuse =
        policy == .lfru && score(strides[layer][stride]!) < lowestScore + Self.precision
      return evictable.isEmpty || mayRefuse ? nil : "\(found) where \(evictable.keys) could go"
    }
    if free.isEmpty {
      guard let victim = evictable.first(where: { $0.value.slot == slot.value }) else {
        return "\(found) takes the slot of what this token uses"
      }
      let isFirst =
        policy == .lfru
        ? score(victim.value) <= lowestScore + Self.precision
        : score(victim.value) == lowestScore && victim.value.lastUse == oldest
      guard isFirst else { return "\(found) takes a slot out of turn" }
      strides[layer][victim.key]!.slot = nil
      statistics.evictions += 1
    } else if !free.contains(slot.value) {
      return "\(found) where \(free) are free"
    }
    strides[layer][stride]!.slot = slot.value
    loading.append((layer, stride))
    return nil
  }

  mutating func finishLoading() { loading.removeAll() }

  mutating func cancelLoading() {
    for (layer, stride) in loading { strides[layer][stride]!.slot = nil }
    loading.removeAll()
  }

  mutating func advanceToken() {
    token += 1
    guard case .window(let tokens) = policy else { return }
    for layer in strides.indices {
      for (stride, state) in strides[layer]
      where state.slot != nil && state.lastUse < token - (tokens ?? 5) {
        strides[layer][stride]!.slot = nil
        statistics.evictions += 1
      }
    }
  }

  /// Scores of the cache have 24 bits; closer ones it may not tell apart.
  private static let precision = 1e-4

  private func score(_ stride: Stride) -> Double {
    switch policy {
    case .window, .lru: 0
    case .lfu: Double(stride.useTokens.count)
    case .lfru: stride.useTokens.reduce(0) { $0 + exp2(Double($1 - token) / 64) }
    }
  }

  private mutating func noteUse(_ stride: Int, layer: Int) {
    var state = strides[layer][stride] ?? Stride()
    if state.lastUse != token {
      state.lastUse = token
      state.useTokens.append(token)
    }
    strides[layer][stride] = state
  }
}
