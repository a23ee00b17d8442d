internal import ArgumentParser
internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashWindow
internal import Flashrun

/// How a model is opened: memory, flash and arithmetic. Every command that opens one takes these.
struct EngineFlags: ParsableArguments {
  @Option(
    name: .customLong("mem-limit"),
    help: ArgumentHelp(
      """
      Memory the whole process may take: 2G, 2048M, bytes, 50% of the model, or auto, the smaller \
      of what control groups leave and what is truly free, less a reserve. (default: auto)
      """, valueName: "size"),
    transform: SizeList.init(parsing:))
  var memoryLimit: SizeList?

  @Flag(help: "Go on where the plan says the model does not fit the limit.")
  var force = false

  @Option(
    name: [.customShort("c"), .customLong("ctx-size")], parsing: .unconditional,
    help: ArgumentHelp(
      """
      Positions of the context; 0 is as many as fit, at most the model's and 4096. (default: 0)
      """, valueName: "n"))
  var contextLength: Int?

  @Option(
    name: [.customShort("t"), .customLong("threads")],
    help: ArgumentHelp(
      "Threads that compute; never changes the text. (default: one per physical core)",
      valueName: "n"))
  var threads: CountList?

  @Option(
    help: ArgumentHelp(
      """
      auto, dense, exact, predicted or threshold; auto is lossless: exact where the model and the \
      limit allow, else dense; predicted (ReLU) and threshold (SwiGLU, GeGLU, GELU) are lossy, at \
      the price in the store's certificate. (default: auto)
      """, valueName: "mode"))
  var sparsity: String?

  @Flag(
    help: """
      With --sparsity predicted, also compute neurons that were not named but lie in memory and \
      fire. The text then depends on the memory limit and on what was read before.
      """)
  var computeResidentGates = false

  @Option(
    help: ArgumentHelp(
      "Instruction set: auto, scalar, avx2, avx512, amx or neon. (default: auto)",
      valueName: "set"))
  var isa: String?

  @Option(
    help: ArgumentHelp(
      """
      Tokens for which neurons stay in memory after a use; means --cache-policy window. \
      (default: as many as fit by the store's certificate, 5 without one)
      """, valueName: "tokens"))
  var window: Int?

  @Option(
    help: ArgumentHelp(
      """
      Which neurons leave memory first: lfru, those used least often, counting old uses less; lfu, \
      counting all alike; lru, those whose use is oldest; window, all that the last tokens did \
      not use. Never changes the text. (default: lfru)
      """, valueName: "policy"))
  var cachePolicy: String?

  @Option(
    help: ArgumentHelp(
      "How flash is read. (default: auto)",
      valueName: "engine"))
  var io: ReadEngineSelection.Choice?

  @Option(
    help: ArgumentHelp(
      "Whether reads bypass the page cache. (default: auto)",
      valueName: "choice"))
  var direct: DirectMode?

  @Option(
    help: ArgumentHelp(
      "Reads in flight at a time. (default: as the device's profile says, else 64)",
      valueName: "n"))
  var queueDepth: Int?

  @Option(
    help: ArgumentHelp(
      "Whether idle device time goes to guesses of what the next layer wants; never changes the "
        + "text. (default: auto)",
      valueName: "choice"))
  var lookAhead: LookAheadChoice?

  @Option(
    name: [.customLong("ctk", withSingleDash: true), .customLong("cache-type-k")],
    help: ArgumentHelp(
      "Type of cached keys. (default: f16; f32 where the store is)",
      valueName: "type"))
  var keyFormat: KeyValueFormat?

  @Option(
    name: [.customLong("ctv", withSingleDash: true), .customLong("cache-type-v")],
    help: ArgumentHelp(
      "Type of cached values. (default: f16; f32 where the store is)",
      valueName: "type"))
  var valueFormat: KeyValueFormat?

  @Flag(help: "Convert a checkpoint that is given as the model, and keep the store.")
  var convert = false

  init() {}

  /// The options as the engine takes them.
  ///
  /// - Throws: `Failure` for values out of range (usage) and for what is not built (unavailable).
  func engineOptions(_ settings: Settings) throws(Failure) -> EngineOptions {
    let sets = try engineOptionSets(settings)
    guard let options = sets.first, sets.count == 1 else {
      throw Failure(
        .usage, "--mem-limit and --threads take one value here; `flashrun bench` takes lists")
    }
    return options
  }

  /// The options for every memory limit and thread count that was given, threads varying fastest.
  ///
  /// - Throws: as `engineOptions`.
  func engineOptionSets(_ settings: Settings) throws(Failure) -> [EngineOptions] {
    let common = try commonOptions(settings)
    let limits =
      try settings.value(memoryLimit, "mem-limit", parse: SizeList.init(parsing:))?.limits
      ?? [.automatic]
    let threads = try threadCounts(settings)
    return limits.flatMap { limit in
      threads.map { count in
        var options = common
        options.memoryLimit = limit
        options.threadCount = count
        return options
      }
    }
  }

  private func threadCounts(_ settings: Settings) throws(Failure) -> [Int?] {
    guard let list = try settings.value(threads, "threads") else { return [nil] }
    for count in list.counts where !(1...1024).contains(count) {
      throw Failure(.usage, "--threads \(count): it must be at least 1, at most 1024")
    }
    return list.counts
  }

  private func commonOptions(_ settings: Settings) throws(Failure) -> EngineOptions {
    var options = EngineOptions()
    let positions = try settings.value(contextLength, "ctx-size", default: 0)
    guard (0...Self.mostPositions).contains(positions) else {
      throw Failure(
        .usage, "--ctx-size \(positions): it must be 0 or more, at most \(Self.mostPositions)")
    }
    options.contextLength = positions == 0 ? nil : positions
    options.decoder.sparsity = try sparsityChoice(settings)
    options.decoder.computesResidentGates =
      try settings.isOn(computeResidentGates, "compute-resident-gates")
    options.decoder.instructionSet = try instructionSet(settings)
    options.decoder.keyFormat = try settings.value(keyFormat, "cache-type-k")
    options.decoder.valueFormat = try settings.value(valueFormat, "cache-type-v")
    options.decoder.storage = try storage(settings)
    return options
  }

  /// Whether the queue's depth was chosen and not left to the device's profile.
  func choosesQueueDepth(_ settings: Settings) throws(Failure) -> Bool {
    try settings.value(queueDepth, "queue-depth") != nil
  }

  private func storage(_ settings: Settings) throws(Failure) -> StorageOptions {
    var storage = StorageOptions()
    storage.policy = try replacementPolicy(settings) ?? storage.policy
    storage.engine = try settings.value(io, "io", default: storage.engine)
    storage.direct = try settings.value(direct, "direct", default: storage.direct)
    storage.queueDepth =
      try positive(queueDepth, "queue-depth", atMost: UringReadEngine.maximumQueueDepth, settings)
      ?? storage.queueDepth
    storage.lookAhead = try settings.value(lookAhead, "look-ahead", default: storage.lookAhead)
    return storage
  }

  /// Nil where nobody chose; a length alone means the policy that has one.
  private func replacementPolicy(_ settings: Settings) throws(Failure) -> ReplacementPolicy? {
    let name = try settings.value(cachePolicy, "cache-policy")
    let tokens = try positive(window, "window", atMost: Self.mostPositions, settings)
    let policy: ReplacementPolicy
    switch name {
    case nil: return tokens.map { .window(tokens: $0) }
    case "window": return .window(tokens: tokens)
    case "lru": policy = .lru
    case "lfu": policy = .lfu
    case "lfru": policy = .lfru
    case let other?:
      throw Self.unknown(other, "cache-policy", ["window", "lru", "lfu", "lfru"])
    }
    if let tokens {
      throw Failure(
        .usage, "--window \(tokens) belongs to --cache-policy window, not to \(policy.name)")
    }
    return policy
  }

  private func sparsityChoice(_ settings: Settings) throws(Failure) -> SparsityChoice {
    let name = try settings.value(sparsity, "sparsity", default: "auto")
    if let choice = SparsityChoice(rawValue: name) { return choice }
    throw Self.unknown(name, "sparsity", SparsityChoice.allCases.map(\.rawValue))
  }

  private func instructionSet(_ settings: Settings) throws(Failure) -> InstructionSet? {
    let name = try settings.value(isa, "isa", default: "auto")
    if name == "auto" { return nil }
    guard let set = InstructionSet(rawValue: name) else {
      throw Self.unknown(name, "isa", ["auto"] + InstructionSet.allCases.map(\.rawValue))
    }
    // Before the model is looked for: what the CPU lacks, no model brings.
    guard set.isSupported else { throw Failure(missing: set) }
    return set
  }

  /// Positions are 32-bit numbers in tokens' lists; more is a slip, and its sums would overflow.
  private static let mostPositions = Int(Int32.max)

  private func positive(
    _ flag: Int?, _ name: String, atMost most: Int, _ settings: Settings
  ) throws(Failure) -> Int? {
    let value = try settings.value(flag, name)
    if let value, !(1...most).contains(value) {
      throw Failure(.usage, "--\(name) \(value): it must be at least 1, at most \(most)")
    }
    return value
  }

  private static func unknown(_ value: String, _ name: String, _ known: [String]) -> Failure {
    Failure(.usage, "--\(name) '\(value)' is not one of \(known.joined(separator: ", "))")
  }
}

extension ReadEngineSelection.Choice: ExpressibleByArgument {}
extension DirectMode: ExpressibleByArgument {}
extension LookAheadChoice: ExpressibleByArgument {}
extension KeyValueFormat: ExpressibleByArgument {}
