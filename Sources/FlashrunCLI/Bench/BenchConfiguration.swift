internal import FlashModel
internal import FlashWeights
internal import FlashWindow
internal import Flashrun

/// One memory limit and thread count, with the plan that opening the model will follow.
struct BenchConfiguration: Sendable {
  var options: EngineOptions
  var plan: MemoryPlan
  var mode: SparsityMode
  /// As it was asked for: `50%`, nil for a limit in bytes or none.
  var limitName: String?

  /// Plans a run; nothing is reserved or read.
  ///
  /// - Parameter force: raises a limit that does not fit instead of refusing it.
  /// - Throws: `Failure` that names the limit and shows the sum, and what the decoder does not
  ///   support.
  init(
    _ store: WeightStore, _ options: EngineOptions, contextLength: Int, force: Bool,
    console: Console
  ) throws {
    var options = options
    if let given = options.contextLength, given < contextLength {
      throw Failure(
        .usage, "-c \(given): the tests need a context of \(contextLength) positions")
    }
    options.contextLength = options.contextLength ?? contextLength
    var limitName: String?
    if case .fractionOfModel(let fraction) = options.memoryLimit {
      limitName = Units.threeDigits(fraction * 100).trimmingZeros + "%"
    }
    do {
      try self.init(store, options, limitName: limitName)
    } catch let error as MemoryPlanError where force {
      console.warning(
        "--force: the limit of \(Units.bytes(error.limit)) is exceeded, "
          + "\(Units.bytes(error.requiredByteCount)) are needed")
      options.memoryLimit = .bytes(error.requiredByteCount)
      try self.init(store, options, limitName: nil)
    } catch let error as MemoryPlanError {
      guard var failure = Failure(describing: error) else { throw error }
      failure.message = "--mem-limit \(limitName ?? "\(error.limit)"): " + failure.message
      throw failure
    }
  }

  private init(_ store: WeightStore, _ options: EngineOptions, limitName: String?) throws {
    let resolved = try options.resolved(for: store).decoder
    self.options = options
    // What `auto` came to must not change between two openings.
    if let limit = resolved.storage.memoryLimit { self.options.memoryLimit = .bytes(limit) }
    (plan, mode) = try Decoder.plan(store: store, options: resolved)
    self.limitName = limitName
  }

  /// Whether anything is kept from token to token but not for good.
  var hasWindow: Bool { if case .windowed = plan.feedForward { true } else { false } }

  /// `50% (1.52 GiB)`.
  var limitText: String {
    let bytes = plan.limit.map(Units.bytes) ?? "none"
    return limitName.map { "\($0) (\(bytes))" } ?? bytes
  }
}

extension String {
  /// Without a fraction that is zero.
  fileprivate var trimmingZeros: String {
    hasSuffix(".00") || hasSuffix(".0") ? String(prefix { $0 != "." }) : self
  }
}
