internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashProfiler
internal import FlashWeights
internal import FlashWindow

/// How fast a model is expected to decode at some limits, and what bounds it there.
package struct PlanPrediction: Encodable, Sendable {
  /// What was measured.
  package struct Rates: Encodable, Sendable {
    /// Bytes a second by type of weights and what is done: `q4_0 dot`, `q4_0 accumulate`, and the
    /// same `scattered` for rows that lie apart.
    package var arithmetic: [String: Double]
    package var dram: Double?
    package var flashBandwidth: Double?
    package var flashReadsPerSecond: Double?
    package var flashReadBytes: Int?
    /// What reads take of the processor, in microseconds: each time they are handed over, and each.
    package var flashCallMicroseconds: Double?
    package var flashReadMicroseconds: Double?
    /// Where the device's rates come from.
    package var flashSource: String?
    package var threads: Int
    package var isa: String
  }

  /// Which part of the neurons is computed for a token.
  package struct Activity: Encodable, Sendable {
    package var fraction: Double
    /// dense, calibration, synthetic or assumed.
    package var source: String
    package var explanation: String
  }

  /// One limit; without a speed where the plan does not fit it.
  package struct Limit: Encodable, Sendable {
    package var limitBytes: Int?
    /// Of the model's bytes.
    package var percent: Double?
    /// Whether it is the command's own.
    package var isGiven: Bool
    package var requiredBytes: Int?
    package var mode: String?
    package var feedForward: String?
    package var tokensPerSecond: Double?
    /// dram, arithmetic, flash_bandwidth or flash_iops.
    package var bound: String?
    package var flashBytesPerToken: Double?
    package var flashReadsPerToken: Double?
    package var hitRate: Double?
    package var arithmeticMs: Double?
    package var flashMs: Double?
    package var stallMs: Double?
  }

  package var rates: Rates
  package var activity: Activity
  package var limits: [Limit]
  package var remarks: [String]

  /// Percentages of the model that are looked at beside the limit given.
  private static let percentages = [25.0, 50, 75, 100]
  /// Tokens before the one that is predicted.
  private static let position = 64

  /// - Parameters:
  ///   - options: resolved for the store, with the limit given.
  ///   - plan: of these options.
  /// - Throws: what measuring throws.
  init(
    _ store: WeightStore, _ options: DecoderOptions, plan: MemoryPlan, mode: SparsityMode
  ) throws {
    var entries: [(limit: Limit, plan: MemoryPlan?, mode: SparsityMode)] = [
      (
        Limit(limitBytes: plan.limit, percent: Self.percent(plan.limit, store), isGiven: true),
        plan, mode
      )
    ]
    for percent in Self.percentages {
      entries.append(try Self.entry(store, options, percent: percent))
    }
    let process = plan.items.first { $0.name == "process" }?.byteCount ?? 0
    let host = try HostMeasurement(
      store, options, plans: entries.compactMap(\.plan), room: (plan.limit ?? .max) - process)
    rates = Rates(host)
    let isSparse = entries.contains { $0.mode != .dense && $0.plan != nil }
    activity = Activity(
      NeuronActivity(
        store, isSparse: isSparse, isPredicted: entries.contains { $0.mode == .predicted }),
      store.configuration)
    remarks = host.remarks
    limits = entries.map { entry in
      guard let plan = entry.plan else { return entry.limit }
      return Self.predict(entry.limit, store, options.storage, plan, entry.mode, host.rates)
    }
  }

  private static func percent(_ limit: Int?, _ store: WeightStore) -> Double? {
    limit.map { 100 * Double($0) / Double(max(1, store.modelByteCount)) }
  }

  private static func entry(
    _ store: WeightStore, _ options: DecoderOptions, percent: Double
  ) throws -> (Limit, MemoryPlan?, SparsityMode) {
    var options = options
    let bytes = Int(percent / 100 * Double(store.modelByteCount))
    options.storage.memoryLimit = bytes
    var limit = Limit(limitBytes: bytes, percent: percent, isGiven: false)
    do {
      let (plan, mode) = try Decoder.plan(store: store, options: options)
      return (limit, plan, mode)
    } catch let error as MemoryPlanError {
      limit.requiredBytes = error.requiredByteCount
      return (limit, nil, .dense)
    }
  }

  private static func predict(
    _ limit: Limit, _ store: WeightStore, _ storage: StorageOptions, _ plan: MemoryPlan,
    _ mode: SparsityMode, _ rates: HostRates
  ) -> Limit {
    let activity = NeuronActivity(
      store, isSparse: mode != .dense, isPredicted: mode == .predicted)
    let cache = plan.items.first { $0.name == "kv cache" }?.byteCount ?? 0
    let traffic = TokenTraffic(
      store.manifest, plan, activity: activity,
      position: min(position, plan.contextLength),
      positionByteCount: cache / max(1, plan.contextLength), options: storage)
    let prediction = SpeedPrediction(traffic, rates)
    var limit = limit
    limit.mode = mode.rawValue
    limit.feedForward = plan.feedForward.name
    limit.tokensPerSecond = prediction.tokensPerSecond
    limit.bound = prediction.bound.rawValue
    limit.flashBytesPerToken = traffic.reads.byteCount
    limit.flashReadsPerToken = traffic.reads.count
    limit.hitRate = traffic.hitRate
    limit.arithmeticMs = prediction.arithmeticSeconds * 1e3
    limit.flashMs = prediction.flashSeconds * 1e3
    limit.stallMs = prediction.stallSeconds * 1e3
    return limit
  }
}

extension PlanPrediction.Rates {
  init(_ host: HostMeasurement) {
    arithmetic = Dictionary(
      uniqueKeysWithValues: host.rates.arithmetic.map { ($0.key.name, $0.value) })
    dram = host.rates.memory
    flashBandwidth = host.rates.device?.bandwidth
    flashReadsPerSecond = host.rates.device?.readsPerSecond
    flashReadBytes = host.rates.device?.readByteCount
    if host.rates.readCost != .none {
      flashCallMicroseconds = host.rates.readCost.secondsPerCall * 1e6
      flashReadMicroseconds = host.rates.readCost.secondsPerRead * 1e6
    }
    flashSource = host.deviceSource
    threads = host.threadCount
    isa = host.instructionSet.rawValue
  }

  /// What was measured, in words.
  fileprivate var text: String {
    func rate(_ value: Double) -> String { Units.threeDigits(value / 1e9) + " GB/s" }
    let weights = arithmetic.sorted { $0.key < $1.key }
      .map { "\($0.key) \(rate($0.value))" }.joined(separator: ", ")
    var parts = ["\(isa) on \(threads) thread\(threads == 1 ? "" : "s"): \(weights)"]
    if let dram { parts.append("DRAM is read at \(rate(dram))") }
    if let flashBandwidth, let flashReadsPerSecond, let flashReadBytes {
      parts.append(
        "flash at \(rate(flashBandwidth)), \(Int(flashReadsPerSecond)) reads/s of "
          + "\(flashReadBytes) bytes (\(flashSource ?? ""))")
    }
    if let flashCallMicroseconds, let flashReadMicroseconds {
      parts.append(
        "reads take \(Units.threeDigits(flashCallMicroseconds)) µs of the processor a call and "
          + "\(Units.threeDigits(flashReadMicroseconds)) each")
    }
    return parts.joined(separator: "; ")
  }
}

extension RowWork {
  /// `q4_0 dot`, `q4_0 accumulate scattered`.
  fileprivate var name: String {
    let operation =
      switch operation {
      case .dot: "dot"
      case .accumulate: "accumulate"
      }
    return "\(format.rawValue) \(operation)\(isScattered ? " scattered" : "")"
  }
}

extension PlanPrediction.Activity {
  init(_ activity: NeuronActivity, _ configuration: ModelConfiguration) {
    self.init(activity)
    guard let active = configuration.routing?.activeCount,
      let count = configuration.layers.compactMap(\.expertCount).max()
    else { return }
    if activity.source == .dense { source = "experts" }
    fraction *= Double(active) / Double(count)
    let experts =
      "\(active) of \(count) experts of a layer are computed for a token; each is taken to be "
      + "chosen as often as another (`io replay` of a trace knows better)"
    explanation = activity.source == .dense ? experts : experts + "; in them " + explanation
  }

  private init(_ activity: NeuronActivity) {
    fraction = activity.fraction
    let share = Units.threeDigits(activity.fraction * 100) + " %"
    switch activity.source {
    case .dense:
      (source, explanation) = ("dense", "every neuron is computed for every token")
    case .calibration(let text):
      (source, explanation) = (
        "calibration", "\(share) of the neurons fire for a token, as calibrated on \(text)"
      )
    case .synthetic:
      (source, explanation) = (
        "synthetic", "\(share) of the neurons fire for a token, as the store was made to"
      )
    case .assumed:
      (source, explanation) = (
        "assumed",
        "assumed that \(share) of the neurons fire for a token, as in the bundled sample; "
          + "`flashrun calibrate` measures it"
      )
    case .recorded:
      (source, explanation) = ("recorded", "\(share) of the neurons fired for a token")
    }
  }
}

extension PlanPrediction {
  /// A table of the limits, and under it what it rests on.
  var text: String {
    let titles = ["", "limit", "tok/s", "bound by", "flash/token", "hits", ""]
    let table = TextTable(
      rows: [titles] + limits.map(\.cells),
      alignment: [.leading, .trailing, .trailing, .leading, .trailing, .trailing, .leading])
    return
      (["predicted decode, tokens a second:", table.text, activity.explanation, rates.text]
      + remarks).joined(separator: "\n")
  }
}

extension PlanPrediction.Limit {
  fileprivate var cells: [String] {
    let share = percent.map { Units.threeDigits($0) + " %" } ?? "none"
    let name = isGiven ? "given" : ""
    let size = (limitBytes.map(Units.bytes) ?? "-") + " (\(share))"
    guard let tokensPerSecond, let bound, let flashBytesPerToken else {
      let needed = requiredBytes.map { "does not fit: needs \(Units.bytes($0))" } ?? ""
      return [name, size, "-", needed, "", "", ""]
    }
    return [
      name, size, Units.threeDigits(tokensPerSecond),
      SpeedPrediction.Bound(rawValue: bound)?.title ?? bound,
      Units.bytes(Int(flashBytesPerToken)),
      hitRate.map { Units.threeDigits($0 * 100) + " %" } ?? "-",
      [mode, feedForward].compactMap(\.self).joined(separator: ", "),
    ]
  }
}
