import FlashWindow

/// The window cache as a dictionary for each layer: slow, and plainly right.
struct WindowModel {
  private struct Use {
    var slot: Int
    var token: Int
    /// Counts requests, so that of two uses the older is known.
    var order: Int
  }

  private(set) var statistics = WindowStatistics()
  private let slotsPerLayer: [Int]
  private let window: Int?
  private var uses: [[Int: Use]]
  private var loading: [(layer: Int, stride: Int)] = []
  private var token = 1
  private var order = 0

  init(slotsPerLayer: [Int], window: Int?) {
    self.slotsPerLayer = slotsPerLayer
    self.window = window
    uses = slotsPerLayer.map { _ in [:] }
  }

  /// What is wrong with the cache's answer, or nil.
  mutating func flaw(
    in found: WindowCache.Placement, for stride: Int, layer: Int
  ) -> String? {
    order += 1
    if let use = uses[layer][stride] {
      statistics.hits += 1
      uses[layer][stride] = Use(slot: use.slot, token: token, order: order)
      return found == .hit(SlotIndex(use.slot)) ? nil : "\(found), not a hit in \(use.slot)"
    }
    statistics.misses += 1
    let free = Set(0..<slotsPerLayer[layer]).subtracting(uses[layer].values.map(\.slot))
    let oldest = uses[layer].min { $0.value.order < $1.value.order }
    var allowed = free
    if free.isEmpty, let oldest, oldest.value.token != token {
      allowed = [oldest.value.slot]
      uses[layer][oldest.key] = nil
      statistics.evictions += 1
    }
    guard case .miss(let slot) = found else {
      return found == .noSlot && allowed.isEmpty ? nil : "\(found), not a miss in \(allowed)"
    }
    guard allowed.contains(slot.value) else { return "\(found), not a miss in \(allowed)" }
    uses[layer][stride] = Use(slot: slot.value, token: token, order: order)
    loading.append((layer, stride))
    return nil
  }

  mutating func finishLoading() { loading.removeAll() }

  mutating func cancelLoading() {
    for (layer, stride) in loading { uses[layer][stride] = nil }
    loading.removeAll()
  }

  mutating func advanceToken() {
    token += 1
    guard let window else { return }
    for layer in uses.indices {
      let kept = uses[layer].filter { $0.value.token >= token - window }
      statistics.evictions += uses[layer].count - kept.count
      uses[layer] = kept
    }
  }
}
